#include "core/managed/fields.h"

#include "base/format.h"

namespace mk::core::managed {
namespace {

constexpr std::string_view kSelf = ".";

bool is_element(std::string_view text) {
  return text.size() >= 2 && text[1] == ':' &&
         (text[0] == 'f' || text[0] == 'k' || text[0] == 'v' || text[0] == 'i');
}

Result<void> read(const Json& json, Fields& out) {
  if (!json.is_object())
    return invalid(fmt::format("a node of fieldsV1 is {}, not an object", json.type_name()));
  out.member = json.empty();
  for (const auto& [element, below] : json.members()) {
    if (element == kSelf) {
      out.member = true;
      continue;
    }
    if (!is_element(element)) return invalid(fmt::format("\"{}\" is no path element of fieldsV1", element));
    MK_OK(read(below, out.below[element]));
  }
  return {};
}

// {"name":"web","port":80} -> name="web",port=80
std::string shown_keys(std::string_view text) {
  const auto keys = Json::parse(text);
  if (!keys) return std::string(text);
  std::string out;
  for (const auto& [key, value] : keys->members())
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", key, value.dump());
  return out;
}

std::string shown(std::string_view element) {
  const std::string_view text = element.substr(2);
  switch (element[0]) {
    case 'f':
      return fmt::format(".{}", text);
    case 'k':
      return fmt::format("[{}]", shown_keys(text));
    case 'v':
      return fmt::format("[={}]", text);
    default:
      return fmt::format("[{}]", text);
  }
}

void collect(const Fields& fields, const std::string& path, std::vector<std::string>& out) {
  if (fields.member) out.push_back(path);
  for (const auto& [element, below] : fields.below) collect(below, path + shown(element), out);
}

}  // namespace

const Fields* Fields::find(std::string_view element) const {
  const auto found = below.find(element);
  return found == below.end() ? nullptr : &found->second;
}

Result<Fields> Fields::parse(const Json& fields_v1) {
  Fields out;
  MK_OK(read(fields_v1, out));
  out.member = false;  // the whole object is nobody's
  return out;
}

Json Fields::json() const {
  Json out = Json::object();
  if (member && !below.empty()) out[kSelf] = Json::object();
  for (const auto& [element, fields] : below) out[element] = fields.json();
  return out;
}

void Fields::unite(const Fields& other) {
  member = member || other.member;
  for (const auto& [element, fields] : other.below) below[element].unite(fields);
}

void Fields::subtract(const Fields& other) {
  if (other.member) member = false;
  for (const auto& [element, fields] : other.below) {
    const auto mine = below.find(element);
    if (mine == below.end()) continue;
    mine->second.subtract(fields);
    if (mine->second.empty()) below.erase(mine);
  }
}

void Fields::take_out(std::string_view element) {
  if (const auto mine = below.find(element); mine != below.end()) below.erase(mine);
}

Fields Fields::intersect(const Fields& other) const {
  Fields out;
  out.member = member && other.member;
  for (const auto& [element, fields] : below) {
    const Fields* theirs = other.find(element);
    if (!theirs) continue;
    if (Fields common = fields.intersect(*theirs); !common.empty()) out.below[element] = std::move(common);
  }
  return out;
}

std::vector<std::string> Fields::paths() const {
  std::vector<std::string> out;
  collect(*this, "", out);
  return out;
}

std::string field_element(std::string_view name) {
  std::string out = "f:";
  out += name;
  return out;
}

}  // namespace mk::core::managed
