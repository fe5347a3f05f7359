#include "modules/registry/types.h"

namespace mk::registry {

bool has_prompt_tag(const std::vector<Tag>& tags) {
  bool prompt = false;
  for (const Tag& tag : tags) {
    if (tag.key != kPromptTag) continue;
    std::string value = tag.value;
    for (char& c : value) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    prompt = value == "true";  // the last of a repeated key counts
  }
  return prompt;
}

namespace {

constexpr size_t kItemBytes = 256;  // names of fields, numbers, overhead

size_t bytes_of_tags(const std::vector<Tag>& tags) {
  size_t bytes = 0;
  for (const Tag& tag : tags) bytes += tag.key.size() + tag.value.size() + kItemBytes / 8;
  return bytes;
}

}  // namespace

size_t bytes_of(const ModelVersion& v) {
  return kItemBytes + v.name.size() + v.source.size() + v.storage_location.size() + v.run_link.size() +
         v.description.value_or("").size() + bytes_of_tags(v.tags);
}

size_t bytes_of(const RegisteredModel& m) {
  size_t bytes = kItemBytes + m.name.size() + m.description.size() + bytes_of_tags(m.tags);
  for (const Alias& alias : m.aliases) bytes += alias.alias.size() + kItemBytes / 8;
  for (const ModelVersion& version : m.latest) bytes += bytes_of(version);
  return bytes;
}

size_t bytes_of(const LoggedModel& m) {
  return kItemBytes + bytes_of_tags(m.tags) + bytes_of_tags(m.params) + m.metrics.size() * kItemBytes;
}

bool RegisteredModel::is_prompt() const {
  return has_prompt_tag(tags);
}

}  // namespace mk::registry
