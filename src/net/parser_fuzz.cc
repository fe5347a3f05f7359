// libFuzzer: any bytes, cut at any place, must be taken or refused, and the cut must not change what they mean.
// clang++-19 -std=c++23 -g -O1 -fsanitize=fuzzer,address,undefined -Isrc src/net/{parser_fuzz,parser,http}.cc
//   src/base/{encoding,error}.cc third_party/fmt.cc -o fuzz_parser
#include <cstdint>
#include <cstdlib>
#include <string>

#include "net/parser.h"

using namespace mk::net;

namespace {

struct Outcome {
  bool refused = false, done = false;
  std::string target, body;
};

Outcome feed(Parser::Kind kind, std::string_view bytes, size_t step) {
  Parser parser(kind, 4096);
  Outcome outcome;
  std::string waiting;
  parser.set_body(&outcome.body, 1 << 16);
  while (!parser.done()) {
    const size_t count = std::min(step, bytes.size());
    waiting.append(bytes.substr(0, count));
    bytes.remove_prefix(count);
    const auto taken = parser.put(waiting);
    if (!taken) {
      outcome.refused = true;
      return outcome;
    }
    if (*taken > waiting.size()) std::abort();
    waiting.erase(0, *taken);
    if (*taken == 0 && bytes.empty()) break;
  }
  outcome.done = parser.done();
  if (parser.head_done() && kind == Parser::Kind::kRequest) outcome.target = parser.request().target;
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto kind = (data[0] & 1) != 0 ? Parser::Kind::kRequest : Parser::Kind::kResponse;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const Outcome whole = feed(kind, bytes, SIZE_MAX);
  const Outcome cut = feed(kind, bytes, size_t{1} + data[1] % 16);
  if (whole.done && cut.done && (whole.body != cut.body || whole.target != cut.target)) std::abort();
  if (whole.done != cut.done && !whole.refused && !cut.refused) std::abort();
  return 0;
}
