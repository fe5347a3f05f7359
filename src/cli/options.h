// Command-line options as a table. Our own hundred lines: CLI11 costs 5 s a file and suggests nothing for a typo.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mk::cli {

struct Option {
  std::string name;          // "--port"
  std::string value;         // "N"; empty for a switch
  std::string what;          // one line for --help
  std::string fallback = {}; // shown in --help and used when the option is absent
  char letter = 0;           // "-o"
  bool repeats = false;
};

// Parsed arguments: `--name value`, `--name=value`, `-o value`, `-ovalue`; "--" ends options.
class Arguments {
 public:
  static Result<Arguments> parse(const std::vector<Option>& options, const std::vector<std::string>& words);

  bool has(std::string_view name) const;
  std::string text(std::string_view name) const;  // given, else the option's fallback
  std::vector<std::string> all(std::string_view name) const;
  // A whole number within [low, high], or a sentence naming option and value.
  Result<int64_t> integer(std::string_view name, int64_t low, int64_t high) const;
  const std::vector<std::string>& words() const { return words_; }         // positional, in order
  const std::vector<std::string>& after_dashes() const { return after_; }  // behind "--"

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> given_;
  std::map<std::string, std::string, std::less<>> fallbacks_;
  std::vector<std::string> words_, after_;
};

// The nearest of `known` to `word` when it is near enough to be a typo, else empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace mk::cli
