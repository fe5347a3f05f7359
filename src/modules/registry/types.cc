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

bool RegisteredModel::is_prompt() const {
  return has_prompt_tag(tags);
}

}  // namespace mk::registry
