#include "command_line/words.hpp"

#include <CLI/CLI.hpp>

#include "server/options.hpp"

namespace command_line {

namespace {

void add(CLI::App& app, const word& one) {
  if (auto* const* const text = std::get_if<std::string*>(&one.given)) {
    app.add_option(one.name, **text, one.about)->type_name("")->required();
  } else if (auto* const* const where = std::get_if<zc::host_port*>(&one.given)) {
    server::add_host_port(app, one.name, **where, one.about)->required();
  } else {
    app.add_option(one.name, *std::get<std::vector<std::string>*>(one.given), one.about)
        ->type_name("");
  }
}

}  // namespace

std::optional<explanation> read_words(const char* about, std::initializer_list<word> all, int argc,
                                      const char* const* argv) {
  CLI::App app(about);
  for (const word& each : all) add(app, each);
  return read(app, argc, argv);
}

}  // namespace command_line
