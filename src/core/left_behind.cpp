#include "zc/left_behind.hpp"

#include <iterator>
#include <new>
#include <stdexcept>
#include <system_error>

#include "core/beside.hpp"

namespace zc::detail {

void give_bytes(const std::exception_ptr& from, std::vector<transfer>& to) {
  try {
    std::rethrow_exception(from);
  } catch (const std::exception& error) {
    if (const auto* failed = dynamic_cast<const transfer_error*>(&error)) {
      if (!failed->remainder().empty()) to.push_back(failed->take());
    }
    if (const auto* more = dynamic_cast<const left_behind*>(&error)) {
      for (transfer& each : more->transfers()) to.push_back(std::move(each));
      more->transfers().clear();
    }
  } catch (...) {  // it has none
  }
}

void rethrow_beside(const std::exception_ptr& error, std::vector<transfer> left) {
  if (left.empty()) std::rethrow_exception(error);
  left_behind kept(std::move(left));
  try {
    std::rethrow_exception(error);
  } catch (const left_behind& before) {
    before.transfers().insert(before.transfers().end(),
                              std::make_move_iterator(kept.transfers().begin()),
                              std::make_move_iterator(kept.transfers().end()));
    throw;
  } catch (const transfer_error& own) {
    throw beside<transfer_error>(own, kept);
  } catch (const std::system_error& own) {
    throw beside<std::system_error>(own, kept);
  } catch (const std::logic_error& own) {
    throw beside<std::logic_error>(own, kept);
  } catch (const std::bad_alloc& own) {
    throw beside<std::bad_alloc>(own, kept);
  } catch (const std::exception& own) {
    throw beside<std::runtime_error>(std::runtime_error(own.what()), kept);
  } catch (...) {
    throw beside<std::runtime_error>(std::runtime_error("zc: no std::exception"), kept);
  }
}

std::exception_ptr with_bytes_of(const std::exception_ptr& other,
                                 const std::exception_ptr& first) noexcept {
  std::vector<transfer> left;
  try {
    give_bytes(other, left);
  } catch (const std::bad_alloc&) {
    return first;
  }
  try {
    rethrow_beside(first, std::move(left));
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace zc::detail
