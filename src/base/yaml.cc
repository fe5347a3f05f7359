#include "base/yaml.h"

#include <yaml.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "base/format.h"

namespace mk {
namespace {

// YAML 1.2 core schema, plus "yes/no/on/off" left as strings (Kubernetes users fear the Norway problem).
Json plain_scalar(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (text.starts_with("0x") || text.starts_with("0o")) {
    int64_t value = 0;
    auto [rest, error] = std::from_chars(begin + 2, end, value, text[1] == 'x' ? 16 : 8);
    if (error == std::errc() && rest == end) return value;
    return text;
  }
  const bool plus = text.front() == '+';
  const std::string_view digits = text.substr(plus || text.front() == '-' ? 1 : 0);
  if (digits == ".inf" || digits == ".Inf" || digits == ".INF")
    return text.front() == '-' ? -std::numeric_limits<double>::infinity()
                               : std::numeric_limits<double>::infinity();
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return std::nan("");
  if (digits.empty() || !(digits[0] == '.' || (digits[0] >= '0' && digits[0] <= '9'))) return text;
  int64_t whole = 0;
  auto [int_rest, int_error] = std::from_chars(begin + (plus ? 1 : 0), end, whole);
  if (int_error == std::errc() && int_rest == end) return whole;
  double real = 0;
  auto [real_rest, real_error] = std::from_chars(begin + (plus ? 1 : 0), end, real);
  if (real_error == std::errc() && real_rest == end) return real;
  return text;
}

class Reader {
 public:
  Reader(std::string_view text, const ParseLimits& limits) : limits_(limits) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Reader() {
    yaml_event_delete(&event_);
    yaml_parser_delete(&parser_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Result<std::vector<Json>> read_stream() {
    std::vector<Json> documents;
    MK_OK(next());  // stream start
    while (true) {
      MK_OK(next());
      if (event_.type == YAML_STREAM_END_EVENT) return documents;
      anchors_.clear();
      MK_OK(next());
      MK_TRY(Json document, read_node(1));
      MK_OK(next());  // document end
      if (!document.is_null()) documents.push_back(std::move(document));
    }
  }

 private:
  Failure bad(std::string_view what) {
    return invalid(fmt::format("the YAML is wrong at line {}, column {}: {}", event_.start_mark.line + 1,
                               event_.start_mark.column + 1, what));
  }

  Result<void> next() {
    yaml_event_delete(&event_);
    if (yaml_parser_parse(&parser_, &event_)) return {};
    return fail(Code::kInvalidArgument, "yaml_form",
                fmt::format("the YAML is wrong at line {}, column {}: {}", parser_.problem_mark.line + 1,
                            parser_.problem_mark.column + 1,
                            parser_.problem ? parser_.problem : "it does not parse"));
  }

  Result<void> count(size_t nodes, size_t depth) {
    nodes_ += nodes;
    if (nodes_ > limits_.nodes_max)
      return bad(fmt::format("more than {} values (aliases count each time)", limits_.nodes_max));
    if (depth > limits_.depth_max) return bad(fmt::format("nested deeper than {} levels", limits_.depth_max));
    return {};
  }

  static size_t nodes_of(const Json& value) {
    size_t nodes = 1;
    for (const Json& item : value.items()) nodes += nodes_of(item);
    for (const auto& [key, item] : value.members()) nodes += nodes_of(item);
    return nodes;
  }

  // The event of the node's start is current on entry; its last event is current on return.
  Result<Json> read_node(size_t depth) {
    MK_OK(count(1, depth));
    switch (event_.type) {
      case YAML_SCALAR_EVENT: return read_scalar();
      case YAML_SEQUENCE_START_EVENT: return read_sequence(depth);
      case YAML_MAPPING_START_EVENT: return read_mapping(depth);
      case YAML_ALIAS_EVENT: {
        const auto* name = reinterpret_cast<const char*>(event_.data.alias.anchor);
        auto found = anchors_.find(name);
        if (found == anchors_.end()) return bad(fmt::format("*{} names no anchor", name));
        MK_OK(count(found->second.second, depth));
        return found->second.first;
      }
      default: return bad("a value was expected");
    }
  }

  void remember(const unsigned char* anchor, const Json& value) {
    if (anchor) anchors_[reinterpret_cast<const char*>(anchor)] = {value, nodes_of(value)};
  }

  Result<Json> read_scalar() {
    const auto& scalar = event_.data.scalar;
    const std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    const std::string_view tag = scalar.tag ? reinterpret_cast<const char*>(scalar.tag) : "";
    Json value;
    if (tag.empty())
      value = scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text) : Json(text);
    else if (tag == "tag:yaml.org,2002:str" || tag == "tag:yaml.org,2002:binary")
      value = Json(text);
    else if (tag.starts_with("tag:yaml.org,2002:") && tag.find(':', 18) == std::string_view::npos &&
             (tag.ends_with(":int") || tag.ends_with(":float") || tag.ends_with(":bool") ||
              tag.ends_with(":null")))
      value = plain_scalar(text);
    else
      return bad(fmt::format("the tag {} is not allowed", tag));
    remember(scalar.anchor, value);
    return value;
  }

  Result<Json> read_sequence(size_t depth) {
    const std::string anchor = name_of(event_.data.sequence_start.anchor);
    Json::Array items;
    while (true) {
      MK_OK(next());
      if (event_.type == YAML_SEQUENCE_END_EVENT) break;
      MK_TRY(Json item, read_node(depth + 1));
      items.push_back(std::move(item));
    }
    Json value(std::move(items));
    if (!anchor.empty()) anchors_[anchor] = {value, nodes_of(value)};
    return value;
  }

  Result<Json> read_mapping(size_t depth) {
    const std::string anchor = name_of(event_.data.mapping_start.anchor);
    Json::Object members;
    Json merged;
    while (true) {
      MK_OK(next());
      if (event_.type == YAML_MAPPING_END_EVENT) break;
      if (event_.type != YAML_SCALAR_EVENT) return bad("a key must be a string");
      std::string key(reinterpret_cast<const char*>(event_.data.scalar.value), event_.data.scalar.length);
      const bool plain = event_.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
      if (members.contains(key)) return bad(fmt::format("the key \"{}\" stands here twice", key));
      MK_OK(next());
      MK_TRY(Json item, read_node(depth + 1));
      if (plain && key == "<<" && item.is_object())
        merged = std::move(item);
      else
        members.emplace(std::move(key), std::move(item));
    }
    for (const auto& [key, item] : std::as_const(merged).members()) members.emplace(key, item);
    Json value(std::move(members));
    if (!anchor.empty()) anchors_[anchor] = {value, nodes_of(value)};
    return value;
  }

  static std::string name_of(const unsigned char* anchor) {
    return anchor ? reinterpret_cast<const char*>(anchor) : "";
  }

  const ParseLimits& limits_;
  yaml_parser_t parser_{};
  yaml_event_t event_{};
  std::map<std::string, std::pair<Json, size_t>, std::less<>> anchors_;
  size_t nodes_ = 0;
};

// The length in bytes of a character at `at` that YAML cannot hold as it is, or would take for a line break or a byte order
// mark; 0 for all others. `text` is UTF-8.
size_t special_at(std::string_view text, size_t at) {
  const auto c = static_cast<unsigned char>(text[at]);
  if (c == 0x7f) return 1;
  const auto is = [&](std::string_view bytes) { return text.substr(at, bytes.size()) == bytes; };
  if (c == 0xc2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xa0) return 2;  // C1, with NEL
  for (const std::string_view bytes : {"\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf", "\xef\xbf\xbe", "\xef\xbf\xbf"})
    if (is(bytes)) return 3;
  return 0;
}

// JSON's notation is YAML's, but for the characters above.
void dump_quoted(std::string_view text, std::string& out) {
  std::string json;
  append_json_string(json, text);
  for (size_t i = 0; i < json.size();) {
    const size_t length = special_at(json, i);
    if (length == 0) {
      out += json[i++];
      continue;
    }
    const auto byte = [&](size_t n) { return static_cast<unsigned>(static_cast<unsigned char>(json[i + n])); };
    const unsigned code = length == 1   ? byte(0)
                          : length == 2 ? (byte(0) & 0x1f) << 6 | (byte(1) & 0x3f)
                                        : (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    out += fmt::format("\\u{:04x}", code);
    i += length;
  }
}

bool needs_quotes(std::string_view text) {
  if (text.empty() || !plain_scalar(text).is_string()) return true;
  static constexpr std::string_view kFirst = "-?:,[]{}#&*!|>'\"%@` ";
  if (kFirst.find(text.front()) != std::string_view::npos || text.back() == ' ' || text.back() == ':')
    return true;
  for (std::string_view word : {"yes", "no", "on", "off", "y", "n", "Yes", "No", "On", "Off", "<<", "="})
    if (text == word) return true;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || special_at(text, i) > 0) return true;
    if (c == ':' && i + 1 < text.size() && text[i + 1] == ' ') return true;
    if (c == '#' && i > 0 && text[i - 1] == ' ') return true;
  }
  return false;
}

void dump_scalar(const Json& value, std::string& out) {
  if (value.is_string() && !needs_quotes(value.text()))
    out += value.text();
  else if (value.is_string())
    dump_quoted(value.text(), out);
  else if (value.is_array())
    out += "[]";
  else if (value.is_object())
    out += "{}";
  else
    value.dump_to(out);
}

void dump_block(const Json& value, std::string& out, size_t indent, bool in_sequence) {
  bool first = true;
  auto start_line = [&] {
    if (!(first && in_sequence)) out.append(indent, ' ');
    first = false;
  };
  if (value.is_object()) {
    for (const auto& [key, item] : value.members()) {
      start_line();
      dump_scalar(Json(key), out);
      out += ':';
      if ((item.is_object() || item.is_array()) && !item.empty()) {
        out += '\n';
        dump_block(item, out, item.is_array() ? indent : indent + 2, false);
      } else {
        out += ' ';
        dump_scalar(item, out);
        out += '\n';
      }
    }
  } else {
    for (const Json& item : value.items()) {
      start_line();
      out += "- ";
      if ((item.is_object() || item.is_array()) && !item.empty()) {
        dump_block(item, out, indent + 2, true);
      } else {
        dump_scalar(item, out);
        out += '\n';
      }
    }
  }
}

}  // namespace

Result<std::vector<Json>> parse_yaml(std::string_view text, const ParseLimits& limits) {
  if (text.size() > limits.bytes_max)
    return fail(Code::kTooLarge, "too_large",
                fmt::format("the YAML is {} bytes; at most {} are read", text.size(), limits.bytes_max));
  return Reader(text, limits).read_stream();
}

std::string yaml_problem(std::string_view text) {
  yaml_parser_t parser{};
  yaml_parser_initialize(&parser);
  yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  std::string out;
  for (bool more = true; more;) {
    yaml_event_t event{};
    if (!yaml_parser_parse(&parser, &event)) {
      // Go's library counts the lines of what its parser refuses from 0, and says nothing of the first.
      const size_t begun = parser.context_mark.line ? parser.context_mark.line : parser.problem_mark.line;
      const size_t line = begun ? begun + (parser.error == YAML_SCANNER_ERROR ? 1 : 0) : 0;
      out = fmt::format("yaml: {}{}", line ? fmt::format("line {}: ", line) : std::string(),
                        parser.problem ? parser.problem : "unknown problem parsing YAML content");
      break;
    }
    more = event.type != YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&parser);
  return out;
}

std::string dump_yaml(const Json& value) {
  std::string out;
  if ((value.is_object() || value.is_array()) && !value.empty()) {
    dump_block(value, out, 0, false);
  } else {
    dump_scalar(value, out);
    out += '\n';
  }
  return out;
}

}  // namespace mk
