#include "node/pod_usage.h"

#include <doctest/doctest.h>

namespace mk::node {
namespace {

using namespace mk::literals;

TEST_CASE("pod usage: a figure is a mean, over some seconds at least for who asks again and again") {
  PodUsage::Reading before{100_s, 10_s};
  auto amount = PodUsage::amount(before, {104_s, 12_s}, 4096);
  CHECK(amount.nanocores == 500'000'000);
  CHECK(amount.memory_bytes == 4096);
  CHECK(amount.window == 4_s);
  CHECK(before.at == 100_s);  // too fresh to forget
  amount = PodUsage::amount(before, {120_s, 50_s}, 0);
  CHECK(amount.nanocores == 2'000'000'000);
  CHECK(before.at == 120_s);
  // Asked twice at once, and a counter that goes back (a process was reaped between two readings).
  CHECK(PodUsage::amount(before, {120_s, 50_s}, 0).nanocores == 0);
  CHECK(PodUsage::amount(before, {121_s, 49_s}, 0).nanocores == 0);
}

}  // namespace
}  // namespace mk::node
