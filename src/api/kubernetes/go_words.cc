#include "api/kubernetes/go_words.h"

#include <algorithm>
#include <vector>

#include "api/kubernetes/fields.h"
#include "base/encoding.h"
#include "base/format.h"
#include "core/schema.h"

namespace mk::api::kubernetes {
namespace {

// ---- JSON by its form
// --------------------------------------------------------------------------------------------

constexpr const char* kEnd = "unexpected end of JSON input";

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A character in single quotes, as Go quotes it.
std::string quoted(char c) {
  if (c == '\'') return R"('\'')";
  if (c == '"') return R"('"')";
  const auto byte = static_cast<unsigned char>(c);
  if (c == '\n') return R"('\n')";
  if (c == '\t') return R"('\t')";
  if (c == '\r') return R"('\r')";
  if (byte < 0x20 || byte == 0x7f) return fmt::format(R"('\x{:02x}')", byte);
  if (byte >= 0x80) return fmt::format(R"('\u{:04x}')", byte);  // Go takes each byte for a character here
  return fmt::format("'{}'", c);
}

// Reads a text once; `problem` is set at the first thing that is wrong.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::string run() {
    while (step()) {
    }
    return problem_;
  }

 private:
  enum class Next : uint8_t { kValue, kFirstItem, kFirstKey, kKey, kColon, kAfterValue };

  bool bad(const char* where) {
    problem_ = at_ == text_.size() ? std::string(kEnd)
                                   : fmt::format("invalid character {} {}", quoted(text_[at_]), where);
    return false;
  }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool step() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    if (next_ == Next::kAfterValue) return after_value();
    if (next_ == Next::kColon) {
      next_ = Next::kValue;
      return take(':') || bad("after object key");
    }
    if (next_ == Next::kFirstItem && take(']')) return close();
    if (next_ == Next::kFirstKey && take('}')) return close();
    if (next_ == Next::kFirstKey || next_ == Next::kKey) {
      next_ = Next::kColon;
      return take('"') ? string() : bad("looking for beginning of object key string");
    }
    return value();
  }

  bool value() {
    next_ = Next::kAfterValue;
    if (take('"')) return string();
    if (take('{') || take('[')) {
      open_ += text_[at_ - 1];
      next_ = open_.back() == '{' ? Next::kFirstKey : Next::kFirstItem;
      return true;
    }
    for (const std::string_view word : {"true", "false", "null"})
      if (at_ < text_.size() && text_[at_] == word[0]) return literal(word);
    if (at_ < text_.size() && (text_[at_] == '-' || is_digit(text_[at_]))) return number();
    return bad("looking for beginning of value");
  }

  bool close() {
    open_.pop_back();
    next_ = Next::kAfterValue;
    return true;
  }

  bool after_value() {
    if (open_.empty()) return at_ == text_.size() ? false : bad("after top-level value");
    const bool in_object = open_.back() == '{';
    if (take(',')) {
      next_ = in_object ? Next::kKey : Next::kValue;
      return true;
    }
    if (take(in_object ? '}' : ']')) return close();
    return bad(in_object ? "after object key:value pair" : "after array element");
  }

  bool string() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) return bad("in string literal");
      ++at_;
      if (c == '"') return true;
      if (c != '\\') continue;
      if (take('u')) {
        for (int i = 0; i < 4; ++i, ++at_)
          if (at_ == text_.size() || !std::string_view("0123456789abcdefABCDEF").contains(text_[at_]))
            return bad("in \\u hexadecimal character escape");
      } else if (at_ == text_.size() || !std::string_view("bfnrt\\/\"").contains(text_[at_])) {
        return bad("in string escape code");
      } else {
        ++at_;
      }
    }
    return bad("in string literal");
  }

  bool literal(std::string_view word) {
    for (const char c : word)
      if (!take(c)) {
        const std::string where = fmt::format("in literal {} (expecting {})", word, quoted(c));
        return bad(where.c_str());
      }
    return true;
  }

  bool digits(const char* where) {
    if (at_ == text_.size() || !is_digit(text_[at_])) return bad(where);
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return true;
  }

  bool number() {
    take('-');
    if (!take('0') && !digits("in numeric literal")) return false;
    if (take('.') && !digits("after decimal point in numeric literal")) return false;
    if (!take('e') && !take('E')) return true;
    if (!take('+')) take('-');
    return digits("in exponent of numeric literal");
  }

  std::string_view text_;
  size_t at_ = 0;
  Next next_ = Next::kValue;
  std::string open_;  // the brackets around here
  std::string problem_;
};

// ---- Go's types
// --------------------------------------------------------------------------------------------------

std::string_view last_part(std::string_view name) {
  return name.substr(name.rfind('.') + 1);
}

// "spec.containers[0].resources.limits[example.com/gpu]" as steps; a step in brackets is an item of a list or
// a map.
struct Step {
  std::string_view name;
  bool within = false;
};
std::vector<Step> steps_of(std::string_view path) {
  std::vector<Step> out;
  while (!path.empty()) {
    if (path[0] == '[') {
      const size_t end = std::min(path.find(']'), path.size() - 1);
      out.push_back({path.substr(1, end - 1), true});
      path.remove_prefix(end + 1);
    } else {
      const size_t end = std::min(path.find_first_of(".["), path.size());
      out.push_back({path.substr(0, end)});
      path.remove_prefix(end);
    }
    if (!path.empty() && path[0] == '.') path.remove_prefix(1);
  }
  return out;
}

// The Go type of a field, or of what is within it.
std::string go_type(const Field& field, const Json& schema, bool within) {
  const auto one = [&]() -> std::string {
    if (field.type == "s") return "string";
    if (field.type == "b") return "bool";
    if (field.type == "d") return "float64";
    if (field.type == "y") return "[]uint8";
    if (field.type == "i") return schema["format"].text() == "int64" ? "int64" : "int32";
    return fmt::format("v1.{}", last_part(field.type));
  };
  if (within || field.shape == Field::Shape::kSingle) return one();
  return (field.shape == Field::Shape::kMap ? "map[string]" : "[]") + one();
}

const Json& within(const Json& schema) {
  return schema.contains("items") ? schema["items"] : schema["additionalProperties"];
}

std::string type_problem(const kinds::Kind& kind, const core::Cause& cause) {
  const Message* message = message_of_kind(kind.group, kind.kind);
  const Json* schema = &kinds::resolve(kind.schema);
  std::string_view owner = kind.kind;
  const Field* field = nullptr;
  std::string path;
  bool inside = false;
  for (const Step& step : steps_of(cause.field)) {
    inside = step.within;
    schema = &kinds::resolve(step.within ? within(*schema) : (*schema)["properties"][step.name]);
    if (step.within) continue;
    if (message) owner = last_part(message->name);
    field = message ? message->by_name(step.name) : nullptr;
    message = field ? field->message : nullptr;
    path += fmt::format("{}{}", path.empty() ? "" : ".", step.name);
  }
  const std::string type =
      field ? go_type(*field, *schema, inside) : std::string((*schema)["type"].text("value"));
  return fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}", cause.found, owner,
                     path, type);
}

}  // namespace

std::string_view go_type_name(const Json& value) {
  return value.is_bool() ? "bool" : value.is_number() ? "number" : value.type_name();
}

std::string json_problem(std::string_view text) {
  return Scanner(text).run();
}

std::string decode_problem(const kinds::Kind& kind, const std::vector<core::Cause>& causes) {
  using enum core::Cause::Unreadable;
  // What reads itself ends the decoder; a value of a wrong type is remembered and it goes on.
  const auto format = std::ranges::find(causes, kFormat, &core::Cause::unreadable);
  if (format != causes.end()) return format->found;
  const auto type = std::ranges::find(causes, kType, &core::Cause::unreadable);
  return type == causes.end() ? std::string() : type_problem(kind, *type);
}

std::string other_kind_problem(const Json& object, const kinds::Kind& wanted, std::string_view api_version) {
  const std::string_view api = object["apiVersion"].text(), kind = object["kind"].text();
  if (wanted.custom)
    return kind == wanted.kind
               ? fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                             api, api_version)
               : fmt::format("the kind in the data ({}) does not match the expected kind ({})", kind,
                             wanted.kind);
  const std::string_view version = api.substr(api.find('/') + 1);
  const kinds::Kind* given = kinds::find_kind_of(object);
  if (!given || given->custom)
    return fmt::format("no kind \"{}\" is registered for version \"{}\"", kind, api);
  std::vector<core::Cause> causes;
  core::schema::validate(given->schema, object, "", causes);
  if (std::string problem = decode_problem(*given, causes); !problem.empty()) return problem;
  const Message* message = message_of_kind(wanted.group, wanted.kind);
  return fmt::format("converting ({}.{}) to ({}): unknown conversion", version, kind,
                     message ? message->name : std::string_view(wanted.kind));
}

std::string not_handled(std::string_view kind, std::string_view version, const kinds::Kind& wanted,
                        std::string_view why) {
  return fmt::format("{} in version \"{}\" cannot be handled as a {}: {}", kind, version, wanted.kind, why);
}

std::string summary(std::string_view body) {
  constexpr size_t kSummaryBytesMax = 30;
  if (body.empty()) return "<empty>";
  const std::string_view head = body.substr(0, kSummaryBytesMax);
  return (body[0] == '{' ? std::string(head) : hex_encode(head)) + (head.size() < body.size() ? " ..." : "");
}

}  // namespace mk::api::kubernetes
