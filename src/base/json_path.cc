#include "base/json_path.h"

#include <charconv>

#include "base/format.h"

namespace mk {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool whole_number(std::string_view text, int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool is_quoted(std::string_view text) {
  return text.size() >= 2 && (text.front() == '\'' || text.front() == '"') && text.back() == text.front();
}

Json literal(std::string_view text) {
  if (is_quoted(text)) return text.substr(1, text.size() - 2);
  if (text == "true") return true;
  if (text == "false") return false;
  int64_t number = 0;
  if (whole_number(text, number)) return number;
  return text;
}

}  // namespace

Result<JsonPath::Step> JsonPath::parse_bracket(std::string_view inside) {
  Step step;
  if (inside == "*") {
    step.kind = Step::Kind::kEach;
  } else if (inside.starts_with("?(") && inside.ends_with(")")) {
    const std::string_view test = inside.substr(2, inside.size() - 3);
    size_t at = test.find("==");
    step.equal = at != std::string_view::npos;
    if (!step.equal) at = test.find("!=");
    const std::string_view left = trim(test.substr(0, at));
    if (at == std::string_view::npos || !left.starts_with("@."))
      return invalid(fmt::format("the filter [{}] is not of the form [?(@.field=='value')]", inside));
    step.kind = Step::Kind::kFilter;
    step.field = left.substr(2);
    step.value = literal(trim(test.substr(at + 2)));
  } else if (is_quoted(inside)) {
    step.field = inside.substr(1, inside.size() - 2);
  } else if (inside.ends_with(":") && whole_number(inside.substr(0, inside.size() - 1), step.index)) {
    step.kind = Step::Kind::kFrom;
  } else if (whole_number(inside, step.index)) {
    step.kind = Step::Kind::kIndex;
  } else {
    return invalid(fmt::format("[{}] is no index, name, * or filter", inside));
  }
  return step;
}

Result<JsonPath> JsonPath::parse(std::string_view text) {
  JsonPath path;
  if (text.starts_with("$")) text.remove_prefix(1);
  while (!text.empty()) {
    if (text.front() == '[') {
      const bool filter = text.starts_with("[?(");
      const size_t end = filter ? text.find(")]") : text.find(']');
      if (end == std::string_view::npos) return invalid("the path has a [ without its ]");
      MK_TRY(Step step, parse_bracket(text.substr(1, end - 1 + (filter ? 1 : 0))));
      path.steps_.push_back(std::move(step));
      text.remove_prefix(end + (filter ? 2 : 1));
      continue;
    }
    if (text.front() == '.') text.remove_prefix(1);
    std::string name;
    while (!text.empty() && text.front() != '.' && text.front() != '[') {
      if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);  // "\." is a dot inside a name
      name += text.front();
      text.remove_prefix(1);
    }
    if (name == "*")
      path.steps_.push_back({.kind = Step::Kind::kEach});
    else if (!name.empty())
      path.steps_.push_back({.field = std::move(name)});
  }
  return path;
}

void JsonPath::walk(const Step& step, const Json& from, std::vector<const Json*>& out) {
  const auto& items = from.items();
  const auto count = static_cast<int64_t>(items.size());
  const int64_t index = step.index < 0 ? step.index + count : step.index;
  switch (step.kind) {
    case Step::Kind::kField:
      if (const Json* found = from.find(step.field)) out.push_back(found);
      break;
    case Step::Kind::kIndex:
      if (index >= 0 && index < count) out.push_back(&items[static_cast<size_t>(index)]);
      break;
    case Step::Kind::kFrom:
      for (int64_t i = std::max<int64_t>(index, 0); i < count; ++i)
        out.push_back(&items[static_cast<size_t>(i)]);
      break;
    case Step::Kind::kEach:
      for (const Json& item : items) out.push_back(&item);
      for (const auto& [key, item] : from.members()) out.push_back(&item);
      break;
    case Step::Kind::kFilter:
      for (const Json& item : items)
        if ((item[step.field] == step.value) == step.equal) out.push_back(&item);
      break;
  }
}

std::vector<const Json*> JsonPath::select(const Json& root) const {
  std::vector<const Json*> here = {&root};
  for (const Step& step : steps_) {
    std::vector<const Json*> next;
    for (const Json* value : here) walk(step, *value, next);
    here = std::move(next);
  }
  return here;
}

}  // namespace mk
