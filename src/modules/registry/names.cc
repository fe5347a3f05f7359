#include "modules/registry/names.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/format.h"
#include "modules/registry/limits.h"

namespace mk::registry {
namespace {

constexpr size_t kQuotedBytesMax = 120;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}
bool is_blank(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == ' ' || is_control(c); });
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

Result<void> check_text(std::string_view field, std::string_view text, size_t bytes_max) {
  if (is_blank(text)) return invalid(fmt::format("{} must not be empty", field));
  if (std::any_of(text.begin(), text.end(), is_control)) {
    return invalid(fmt::format("{} {} holds a control character", field, shown(text)));
  }
  return check_length(field, text, bytes_max);
}

}  // namespace

std::string shown(std::string_view text) {
  std::string out = "'";
  for (char c : text.substr(0, kQuotedBytesMax)) out += is_control(c) ? '?' : c;
  // Never cut inside a UTF-8 sequence: the reply must stay valid JSON.
  if (text.size() > kQuotedBytesMax) {
    while (out.size() > 1 && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80) out.pop_back();
    if (out.size() > 1 && static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
    out += "...";
  }
  return out + "'";
}

Result<void> check_length(std::string_view field, std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return {};
  return invalid(fmt::format("{} is {} bytes long; at most {} are allowed", field, text.size(), bytes_max));
}

Result<void> check_model_name(std::string_view name, std::string_view field) {
  MK_OK(check_text(fmt::format("the model's {}", field), name, kModelNameCharsMax));
  if (name.find_first_of("/:\\") != std::string_view::npos) {
    return invalid(fmt::format("{} is no model name: it must not contain '/', '\\' or ':'", shown(name)));
  }
  if (name == "." || name == "..") return invalid(fmt::format("{} is no model name", shown(name)));
  return {};
}

Result<void> check_logged_model_name(std::string_view name) {
  MK_OK(check_text("the model's name", name, kModelNameCharsMax));
  if (name.find_first_of("/:.%\"'") != std::string_view::npos) {
    return invalid(
        fmt::format("{} is no name for a logged model: it must not contain / : . % \" or '", shown(name)));
  }
  return {};
}

Result<void> check_alias(std::string_view alias) {
  MK_OK(check_text("the alias", alias, kAliasCharsMax));
  if (!std::all_of(alias.begin(), alias.end(), is_word)) {
    return invalid(fmt::format("{} is no alias: use letters, digits, _ and - only", shown(alias)));
  }
  return {};
}

Result<void> check_new_alias(std::string_view alias) {
  MK_OK(check_alias(alias));
  if (same_word(alias, "latest")) {
    return invalid("the alias 'latest' is reserved: it always names the highest version");
  }
  bool digits = alias.size() > 1 &&
                std::all_of(alias.begin() + 1, alias.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (lower(alias[0]) == 'v' && digits) {
    return invalid(fmt::format("the alias {} is reserved: it reads as a version number", shown(alias)));
  }
  return {};
}

Result<void> check_tag(const Tag& tag) {
  MK_OK(check_text("the tag's key", tag.key, kTagKeyCharsMax));
  if (tag.value.size() > kTagValueBytesMax) {
    return invalid(fmt::format("the value of tag {} is {} bytes long; at most {} are allowed", shown(tag.key),
                               tag.value.size(), kTagValueBytesMax));
  }
  return {};
}

Result<void> check_tags(const std::vector<Tag>& tags) {
  if (tags.size() > kTagsPerRequestMax) {
    return invalid(
        fmt::format("{} tags in one request; at most {} are allowed", tags.size(), kTagsPerRequestMax));
  }
  for (const Tag& tag : tags) MK_OK(check_tag(tag));
  return {};
}

Result<void> check_param(const Tag& param) {
  MK_OK(check_text("the parameter's key", param.key, kParamKeyCharsMax));
  if (param.value.size() > kParamValueCharsMax) {
    return invalid(fmt::format("the value of parameter {} is {} bytes long; at most {} are allowed",
                               shown(param.key), param.value.size(), kParamValueCharsMax));
  }
  return {};
}

Result<int64_t> parse_version(std::string_view text) {
  int64_t version = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc{} || end != text.data() + text.size() || version < 1) {
    return invalid(fmt::format("{} is no model version: it must be a whole number from 1", shown(text)));
  }
  return version;
}

Result<std::string> canonical_stage(std::string_view stage) {
  constexpr std::array<std::string_view, 4> kStages = {"None", "Staging", "Production", "Archived"};
  for (std::string_view known : kStages) {
    if (same_word(stage, known)) return std::string(known);
  }
  return invalid(fmt::format("{} is no stage: use None, Staging, Production or Archived", shown(stage)));
}

std::vector<Tag> last_of_each_key(std::vector<Tag> tags) {
  std::vector<Tag> out;
  for (Tag& tag : tags) {
    auto seen = std::find_if(out.begin(), out.end(), [&](const Tag& t) { return t.key == tag.key; });
    if (seen == out.end()) {
      out.push_back(std::move(tag));
    } else {
      seen->value = std::move(tag.value);
    }
  }
  return out;
}

}  // namespace mk::registry
