#include "api/kubernetes/fields.h"

#include <charconv>
#include <map>
#include <string>

#include "base/error.h"

namespace mk::api::kubernetes {
namespace {

constexpr std::pair<std::string_view, std::string_view> kPackages[] = {
    {"", "core"},
    {"apps", "apps"},
    {"batch", "batch"},
    {"authorization.k8s.io", "authorization"},
    {"authentication.k8s.io", "authentication"},
    {"coordination.k8s.io", "coordination"},
    {"autoscaling", "autoscaling"},
    {"policy", "policy"},
    {"rbac.authorization.k8s.io", "rbac"},
    {"networking.k8s.io", "networking"},
    {"scheduling.k8s.io", "scheduling"},
    {"discovery.k8s.io", "discovery"},
    {"storage.k8s.io", "storage"},
    {"node.k8s.io", "node"},
    {"events.k8s.io", "events"},
};

std::string_view cut(std::string_view& text, char end) {
  const size_t at = text.find(end);
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return head;
}

Field parse_field(std::string_view text) {
  Field field;
  const std::string_view number = cut(text, ' ');
  std::from_chars(number.data(), number.data() + number.size(), field.number);
  field.name = cut(text, ' ');
  field.inlined = field.name == "^";
  if (text.ends_with('=')) {
    field.retain_keys = true;
    text.remove_suffix(1);
  }
  if (const size_t at = text.find('~'); at != std::string_view::npos) {
    field.merged = true;
    field.merge_key = text.substr(at + 1);
    text = text.substr(0, at);
  }
  for (; !text.empty(); text.remove_prefix(1)) {
    if (text.front() == '*')
      field.pointer = true;
    else if (text.front() == '[')
      field.shape = Field::Shape::kRepeated;
    else if (text.front() == '{')
      field.shape = Field::Shape::kMap;
    else
      break;
  }
  field.type = text;
  return field;
}

std::map<std::string_view, Message> parse_table() {
  std::map<std::string_view, Message> messages;
  std::string_view rest = kFieldTable;
  while (!rest.empty()) {
    std::string_view line = cut(rest, '\n');
    const std::string_view name = cut(line, ':');
    Message& message = messages[name];
    message.name = name;
    while (!line.empty()) message.fields.push_back(parse_field(cut(line, ';')));
  }
  for (auto& [name, message] : messages) {
    for (Field& field : message.fields) {
      const auto found = messages.find(field.type);
      if (found != messages.end()) field.message = &found->second;
    }
  }
  return messages;
}

// Parsed at first use: most runs of most verbs never need it.
const std::map<std::string_view, Message>& table() {
  static const std::map<std::string_view, Message> messages = parse_table();
  return messages;
}

}  // namespace

const Field* Message::by_number(uint32_t number) const {
  for (const Field& field : fields)
    if (field.number == number) return &field;
  return nullptr;
}

const Field* Message::by_name(std::string_view wanted) const {
  for (const Field& field : fields) {
    if (field.inlined && field.message) {
      if (const Field* inner = field.message->by_name(wanted)) return inner;
    } else if (field.name == wanted) {
      return &field;
    }
  }
  return nullptr;
}

const Message* find_message(std::string_view name) {
  const auto found = table().find(name);
  return found == table().end() ? nullptr : &found->second;
}

const Message* message_of_kind(std::string_view group, std::string_view kind, std::string_view version) {
  for (const auto& [known, package] : kPackages) {
    if (known != group) continue;
    const std::string suffix = version == "v2" ? "2." : ".";
    return find_message(std::string(package) + suffix + std::string(kind));
  }
  return nullptr;
}

}  // namespace mk::api::kubernetes
