// Everything that reads what comes from outside, one function a format. Each takes any bytes, and aborts when
// the reader breaks a promise. Run by libFuzzer (./x fuzz TARGET) and over the kept inputs in every test run.
#pragma once
#include <string_view>
#include <vector>

namespace mk::fuzz {

struct Target {
  std::string_view name;
  void (*run)(std::string_view bytes);
};
const std::vector<Target>& targets();

void http(std::string_view bytes);  // http.cc

// A promise that holds for any input.
#define MK_PROMISE(condition) \
  do {                        \
    if (!(condition)) {       \
      __builtin_trap();       \
    }                         \
  } while (false)

}  // namespace mk::fuzz
