// Label and field selectors, in the grammar of Kubernetes' API.
#include <algorithm>

#include "base/format.h"
#include "core/limits.h"
#include "core/names.h"
#include "core/objects.h"

namespace mk::core {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Reads "key", "key=value", "key in (a, b)" ... one requirement after another.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : all_(text), rest_(text) {}

  bool done() { return skip(), rest_.empty(); }
  bool take(std::string_view mark) {
    skip();
    if (!rest_.starts_with(mark)) return false;
    rest_.remove_prefix(mark.size());
    return true;
  }
  std::string_view word() {
    skip();
    const size_t end = rest_.find_first_of(" ,=!()");
    const std::string_view out = rest_.substr(0, end);
    rest_.remove_prefix(out.size());
    return out;
  }
  Failure bad(std::string_view what) const {
    return invalid(
        fmt::format("unable to parse requirement: the selector \"{}\" {}", all_.substr(0, 200), what));
  }

 private:
  void skip() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  }
  std::string_view all_, rest_;
};

Result<std::vector<std::string>> word_list(Scanner& scanner) {
  std::vector<std::string> values;
  if (!scanner.take("(")) return scanner.bad("needs a list in parentheses after in or notin");
  do {
    values.emplace_back(scanner.word());
  } while (scanner.take(","));
  if (!scanner.take(")")) return scanner.bad("has a ( without its )");
  return values;
}

}  // namespace

Result<std::vector<Selector::Requirement>> Selector::parse_labels(std::string_view text) {
  std::vector<Requirement> out;
  Scanner scanner(text);
  while (!scanner.done()) {
    if (out.size() >= limits::kSelectorRequirementsMax) return scanner.bad("has too many requirements");
    Requirement need;
    const bool absent = scanner.take("!");
    need.key = scanner.word();
    if (std::string why = names::qualified_name(need.key); !why.empty())
      return scanner.bad(fmt::format("names the label \"{}\": {}", need.key, why));
    if (absent) {
      need.op = Requirement::Op::kAbsent;
    } else if (scanner.take("!=")) {
      need.op = Requirement::Op::kNotIn;
      need.values.emplace_back(scanner.word());
    } else if (scanner.take("==") || scanner.take("=")) {
      need.values.emplace_back(scanner.word());
    } else if (scanner.done() || scanner.take(",")) {
      need.op = Requirement::Op::kExists;
      out.push_back(std::move(need));
      continue;
    } else {
      const std::string_view op = scanner.word();
      if (op != "in" && op != "notin")
        return invalid(fmt::format(
            "unable to parse requirement: found '{}', expected: in, notin, =, ==, !=, gt, lt", op));
      need.op = op == "in" ? Requirement::Op::kIn : Requirement::Op::kNotIn;
      MK_TRY(need.values, word_list(scanner));
    }
    for (const std::string& value : need.values)
      if (std::string why = names::label_value(value); !why.empty())
        return scanner.bad(fmt::format("has the value \"{}\": {}", value, why));
    out.push_back(std::move(need));
    if (!scanner.done() && !scanner.take(","))
      return scanner.bad("has something other than a comma between requirements");
  }
  return out;
}

Result<std::vector<Selector::Requirement>> Selector::parse_fields(std::string_view text,
                                                                  const kinds::Kind* kind) {
  std::vector<Requirement> out;
  while (!trim(text).empty()) {
    const size_t comma = text.find(',');
    const std::string_view part = trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (part.empty()) continue;
    if (out.size() >= limits::kSelectorRequirementsMax)
      return invalid("the field selector has too many requirements");
    const size_t at = part.find('=');
    // As upstream, the value is read before the name: an equals sign in it would have to be escaped.
    const size_t value_at = part.find_first_not_of('=', at == std::string_view::npos ? at : at + 1);
    const size_t signs = at == std::string_view::npos ? 0 : std::min(value_at, part.size()) - at;
    if (signs > 2)
      return invalid(fmt::format("invalid field selector: unescaped character in value: {}", int{'='}));
    if (at == std::string_view::npos || at == 0)
      return invalid(fmt::format("invalid selector: '{0}'; can't understand '{0}'", part.substr(0, 200)));
    const bool differs = part[at - 1] == '!';
    Requirement need;
    need.op = differs ? Requirement::Op::kNotIn : Requirement::Op::kIn;
    need.key = trim(part.substr(0, differs ? at - 1 : at));
    std::string_view value = part.substr(at + 1);
    if (value.starts_with('=')) value.remove_prefix(1);
    need.values.emplace_back(trim(value));
    const bool known = need.key == "metadata.name" || need.key == "metadata.namespace" || !kind ||
                       std::ranges::find(kind->selectable_fields, need.key) != kind->selectable_fields.end();
    if (!known && kind->selectable_fields.empty())
      return invalid(fmt::format(
          "\"{}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"", need.key));
    if (!known) return invalid(fmt::format("field label not supported: {}", need.key));
    out.push_back(std::move(need));
  }
  return out;
}

Result<Selector> Selector::parse(std::string_view labels, std::string_view fields, const kinds::Kind* kind) {
  Selector selector;
  MK_TRY(selector.labels_, parse_labels(labels));
  MK_TRY(selector.fields_, parse_fields(fields, kind));
  return selector;
}

Result<Selector> Selector::parse(const Json& label_selector) {
  Selector selector;
  for (const auto& [key, value] : label_selector["matchLabels"].members())
    selector.labels_.push_back({Requirement::Op::kIn, key, {std::string(value.text())}});
  for (const Json& rule : label_selector["matchExpressions"].items()) {
    Requirement need;
    need.key = rule["key"].text();
    const std::string_view op = rule["operator"].text();
    if (op == "In")
      need.op = Requirement::Op::kIn;
    else if (op == "NotIn")
      need.op = Requirement::Op::kNotIn;
    else if (op == "Exists")
      need.op = Requirement::Op::kExists;
    else if (op == "DoesNotExist")
      need.op = Requirement::Op::kAbsent;
    else
      return invalid(fmt::format("\"{}\" is not a valid label selector operator", op));
    for (const Json& value : rule["values"].items()) need.values.emplace_back(value.text());
    selector.labels_.push_back(std::move(need));
  }
  return selector;
}

bool Selector::Requirement::accepts(const std::string* value) const {
  switch (op) {
    case Op::kIn:
      return value && std::ranges::find(values, *value) != values.end();
    case Op::kNotIn:
      return !value || std::ranges::find(values, *value) == values.end();
    case Op::kExists:
      return value != nullptr;
    case Op::kAbsent:
      return value == nullptr;
  }
  return false;
}

bool Selector::matches(const store::Object& object) const {
  for (const Requirement& need : labels_) {
    const auto found =
        std::ranges::find(object.labels, need.key, &std::pair<std::string, std::string>::first);
    if (!need.accepts(found == object.labels.end() ? nullptr : &found->second)) return false;
  }
  Json body;  // parsed only for fields that the key does not hold
  for (const Requirement& need : fields_) {
    std::string value;
    if (need.key == "metadata.name") {
      value = object.key.name;
    } else if (need.key == "metadata.namespace") {
      value = object.key.space;
    } else {
      if (body.is_null()) body = object.json();
      const Json* here = &body;
      std::string_view path = need.key;
      while (here && !path.empty()) {
        const size_t dot = path.find('.');
        here = here->find(path.substr(0, dot));
        path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
      }
      if (here)
        value = here->is_string() ? std::string(here->text())
                : here->is_null() ? std::string()
                                  : here->dump();
    }
    if (!need.accepts(&value)) return false;  // an absent field reads as empty, as in Kubernetes
  }
  return true;
}

}  // namespace mk::core
