#include "base/pattern.h"

#include <re2/re2.h>

#include <memory>
#include <unordered_map>

namespace mk {
namespace {

constexpr size_t kPatternsKept = 512;        // by each thread
constexpr int64_t kPatternMemory = 1 << 20;  // of one expression: refuses what explodes ("(a{1000}){1000}")

RE2::Options options() {
  RE2::Options out;
  out.set_log_errors(false);
  out.set_max_mem(kPatternMemory);
  return out;
}

}  // namespace

std::string pattern_problem(std::string_view pattern) {
  const RE2 compiled(re2::StringPiece(pattern.data(), pattern.size()), options());
  return compiled.ok() ? std::string() : compiled.error();
}

bool pattern_matches(std::string_view pattern, std::string_view text) {
  thread_local std::unordered_map<std::string, std::unique_ptr<RE2>> kept;
  auto found = kept.find(std::string(pattern));
  if (found == kept.end()) {
    if (kept.size() >= kPatternsKept) kept.clear();
    found = kept.emplace(pattern,
                         std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options()))
                .first;
  }
  return found->second->ok() && RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *found->second);
}

}  // namespace mk
