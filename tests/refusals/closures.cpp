// Compiled, not run, by scripts/test-refusals: with -DREFUSED=0 it is to compile everywhere; with
// each of the others a compiler that destroys temporaries twice refuses it, and another takes it.

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "zc/zc.hpp"

namespace {

using next_job = std::optional<zc::splice_job>;
using next_path = std::optional<zc::path_job>;

[[maybe_unused]] zc::task<> all(int listener, std::string owned) {
  [[maybe_unused]] auto handler = [owned](zc::fd) -> zc::task<> { co_return; };
  [[maybe_unused]] auto watch = [owned](const zc::serve_notice&) {};
  [[maybe_unused]] auto next = [owned]() -> next_job { return {}; };
  [[maybe_unused]] auto path = [owned]() -> next_path { return {}; };
  [[maybe_unused]] auto done = [owned](const auto&, const zc::transfer&) {};
#if REFUSED == 0
  co_await zc::serve(listener, handler, {}, {}, watch);
  co_await zc::serve(listener, std::ref(handler), {}, {}, std::ref(watch));
  co_await zc::serve(listener, [](zc::fd) -> zc::task<> { co_return; });
  zc::batch_result did = co_await zc::splice_batch(next, done);
  did = co_await zc::splice_batch(std::ref(next), std::ref(done));
  did = co_await zc::splice_paths(path, done);
  did = co_await zc::splice_paths(std::ref(path), std::ref(done));
  zc::scope tasks;
  tasks.spawn([owned]() -> zc::task<> { co_return; });
#elif REFUSED == 1
  co_await zc::serve(listener, [owned](zc::fd) -> zc::task<> { co_return; });
#elif REFUSED == 2
  co_await zc::serve(listener, handler, {}, {}, [owned](const zc::serve_notice&) {});
#elif REFUSED == 3
  zc::batch_result did = co_await zc::splice_batch([owned]() -> next_job { return {}; }, done);
#elif REFUSED == 4
  zc::batch_result did =
      co_await zc::splice_batch(next, [owned](const auto&, const zc::transfer&) {});
#elif REFUSED == 5
  zc::batch_result did = co_await zc::splice_paths([owned]() -> next_path { return {}; }, done);
#elif REFUSED == 6
  zc::batch_result did =
      co_await zc::splice_paths(path, [owned](const auto&, const zc::transfer&) {});
#elif REFUSED == 7
  co_await zc::serve(listener, std::move(handler));  // cannot be told from a temporary
#else
#error "no such case"
#endif
}

}  // namespace
