#include "conditions.hpp"

#include <cstddef>
#include <optional>

#include "ascii.hpp"

namespace file_server {

namespace {

enum class comparison { weak, strong };

/// Takes the first entity tag off `list`: without its W/, and empty where what is there is none.
struct entity_tag {
  std::string_view opaque;
  bool weak = false;

  static entity_tag take(std::string_view& list) noexcept {
    entity_tag found;
    found.weak = list.starts_with("W/");
    if (found.weak) list.remove_prefix(2);
    const std::size_t end = list.starts_with('"') ? list.find('"', 1) : std::string_view::npos;
    if (end == std::string_view::npos) return {};
    found.opaque = list.substr(0, end + 1);
    list.remove_prefix(end + 1);
    return found;
  }
};

bool matches(std::string_view list, std::string_view etag, comparison how) noexcept {
  if (trim(list) == "*") return true;
  for (;;) {
    const std::size_t start = list.find_first_not_of(", \t");
    if (start == std::string_view::npos) return false;
    list.remove_prefix(start);
    const entity_tag each = entity_tag::take(list);
    if (each.opaque.empty()) return false;
    const bool counts = how == comparison::weak || !each.weak;
    if (counts && each.opaque == etag) return true;
  }
}

std::optional<seconds> date_of(const std::optional<std::string_view>& field, seconds now) {
  if (!field) return {};
  return parse_date(*field, now);
}

bool changed_what_was_known(const request& asked, const validators& of, seconds now) {
  if (asked.if_match.given()) {
    return !matches(asked.if_match.values(), of.etag, comparison::strong);
  }
  const std::optional<seconds> since = date_of(asked.if_unmodified_since, now);
  return since && of.modified > *since;
}

bool knows_it(const request& asked, const validators& of, seconds now) {
  if (asked.if_none_match.given()) {
    return matches(asked.if_none_match.values(), of.etag, comparison::weak);
  }
  const std::optional<seconds> since = date_of(asked.if_modified_since, now);
  return since && of.modified <= *since;
}

}  // namespace

verdict judge_conditions(const request& asked, const validators& of, seconds now) {
  if (changed_what_was_known(asked, of, now)) return verdict::precondition_failed;
  return knows_it(asked, of, now) ? verdict::not_modified : verdict::proceed;
}

bool range_applies(const request& asked, const validators& of, seconds now) {
  if (!asked.if_range) return true;
  std::string_view value = *asked.if_range;
  if (value.starts_with('"') || value.starts_with("W/")) {
    const entity_tag known = entity_tag::take(value);
    return value.empty() && !known.weak && known.opaque == of.etag;
  }
  // Of a file that has changed in this second there may be two with that date.
  return of.modified < now && parse_date(value, now) == of.modified;
}

}  // namespace file_server
