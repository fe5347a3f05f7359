// Any bytes, cut at any place, must be taken or refused, and the cut must not change what they mean.
#include <string>

#include "net/parser.h"
#include "targets.h"

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
    MK_PROMISE(*taken <= waiting.size());
    waiting.erase(0, *taken);
    if (*taken == 0 && bytes.empty()) break;
  }
  outcome.done = parser.done();
  if (parser.head_done() && kind == Parser::Kind::kRequest) outcome.target = parser.request().target;
  return outcome;
}

}  // namespace

namespace mk::fuzz {

void http(std::string_view input) {
  if (input.size() < 2) return;
  const auto kind = (input[0] & 1) != 0 ? Parser::Kind::kRequest : Parser::Kind::kResponse;
  const std::string_view bytes = input.substr(2);
  const Outcome whole = feed(kind, bytes, SIZE_MAX);
  const Outcome cut = feed(kind, bytes, size_t{1} + static_cast<unsigned char>(input[1]) % 16);
  MK_PROMISE(!whole.done || !cut.done || (whole.body == cut.body && whole.target == cut.target));
  MK_PROMISE(whole.done == cut.done || whole.refused || cut.refused);
}

}  // namespace mk::fuzz
