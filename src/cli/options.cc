#include "cli/options.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"

namespace mk::cli {
namespace {

// Edit distance with neighbouring letters swapped counted as one.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i)
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

const Option* find(const std::vector<Option>& options, std::string_view name) {
  for (const Option& option : options)
    if (option.name == name || (name.size() == 2 && option.letter == name[1])) return &option;
  return nullptr;
}

Failure unknown(std::string_view name, const std::vector<Option>& options) {
  std::vector<std::string> names;
  for (const Option& option : options) names.push_back(option.name);
  const std::string near = did_you_mean(name, names);
  return fail(Error{Code::kInvalidArgument, "usage", fmt::format("there is no option {}", name)}.with_hint(
      near.empty() ? "see --help" : fmt::format("did you mean {}?", near)));
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t d = distance(word.substr(0, 64), candidate);
    if (d < best_distance) {
      best_distance = d;
      best = candidate;
    }
  }
  return best;
}

Result<Arguments> Arguments::parse(const std::vector<Option>& options, const std::vector<std::string>& words) {
  Arguments parsed;
  for (const Option& option : options)
    if (!option.fallback.empty()) parsed.fallbacks_[option.name] = option.fallback;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i];
    if (word == "--") {
      parsed.after_.assign(words.begin() + static_cast<ptrdiff_t>(i) + 1, words.end());
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      parsed.words_.push_back(std::move(word));
      continue;
    }
    std::string value;
    bool inline_value = false;
    if (word.starts_with("--")) {
      if (const size_t equals = word.find('='); equals != std::string::npos) {
        value = word.substr(equals + 1);
        word.resize(equals);
        inline_value = true;
      }
    } else if (word.size() > 2) {
      value = word.substr(word[2] == '=' ? 3 : 2);
      word.resize(2);
      inline_value = true;
    }
    const Option* option = find(options, word);
    if (!option) return unknown(word, options);
    if (option->value.empty()) {
      if (inline_value) return fail(Code::kInvalidArgument, "usage", fmt::format("{} takes no value", option->name));
      value = "true";
    } else if (!inline_value) {
      if (i + 1 >= words.size())
        return fail(Code::kInvalidArgument, "usage", fmt::format("{} needs a value: {}", option->name, option->value));
      value = words[++i];
    }
    auto& given = parsed.given_[option->name];
    if (!option->repeats) given.clear();
    given.push_back(std::move(value));
  }
  return parsed;
}

bool Arguments::has(std::string_view name) const { return given_.find(name) != given_.end(); }

std::string Arguments::text(std::string_view name) const {
  if (auto it = given_.find(name); it != given_.end()) return it->second.back();
  auto it = fallbacks_.find(name);
  return it == fallbacks_.end() ? std::string() : it->second;
}

std::vector<std::string> Arguments::all(std::string_view name) const {
  auto it = given_.find(name);
  return it == given_.end() ? std::vector<std::string>() : it->second;
}

Result<int64_t> Arguments::integer(std::string_view name, int64_t low, int64_t high) const {
  const std::string value = text(name);
  int64_t number = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < low || number > high)
    return fail(Code::kInvalidArgument, "usage",
                fmt::format("{} takes a number from {} to {}, not \"{}\"", name, low, high, value));
  return number;
}

}  // namespace mk::cli
