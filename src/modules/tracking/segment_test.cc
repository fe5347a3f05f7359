#include "modules/tracking/segment.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "os/random.h"

using namespace mk;
using namespace mk::tracking;

namespace {

std::vector<Series> sample() {
  constexpr int64_t kLow = std::numeric_limits<int64_t>::min(), kHigh = std::numeric_limits<int64_t>::max();
  return {
      {"loss", {{1'700'000'000'000, 0, 0.5}, {1'700'000'000'001, 1, -0.25}, {1'700'000'000'001, 2, 1e300}}},
      {"val loss", {{0, kLow, 0}, {kHigh, kHigh, std::numeric_limits<double>::quiet_NaN()}, {0, -1, -0.0}}},
      {"none", {}}};
}

bool same(const Point& a, const Point& b) {
  return a.step == b.step && a.timestamp_ms == b.timestamp_ms &&
         (a.value == b.value || (std::isnan(a.value) && std::isnan(b.value)));
}

}  // namespace

TEST_CASE("segment: reads what it wrote, whole and one metric at a time") {
  const auto series = sample();
  const std::string bytes = encode_segment(series);
  std::vector<Series> back;
  REQUIRE(decode_segment(bytes, back));
  REQUIRE(back.size() == series.size());
  for (size_t i = 0; i < series.size(); ++i) {
    CHECK(back[i].key == series[i].key);
    CHECK(std::ranges::equal(back[i].points, series[i].points, same));
    std::vector<Point> points;
    REQUIRE(decode_points(bytes, series[i].key, points));
    CHECK(std::ranges::equal(points, series[i].points, same));
  }
  std::vector<Point> none;
  REQUIRE(decode_points(bytes, "absent", none));
  CHECK(none.empty());
  CHECK(decode_segment(encode_segment({}), back));
}

TEST_CASE("segment: steady points are small") {
  Series series{"loss", {}};
  for (int i = 0; i < 1000; ++i) series.points.push_back({1'700'000'000'000 + i * 10, i, i * 0.001});
  CHECK(encode_segment({&series, 1}).size() < 1000 * 10 + 40);
}

TEST_CASE("segment: a cut or changed segment is an error or other points, never a crash") {
  const std::string bytes = encode_segment(sample());
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::vector<Series> out;
    CHECK_FALSE(decode_segment(bytes.substr(0, i), out));
  }
  std::vector<Series> out;
  CHECK_FALSE(decode_segment(bytes + "x", out));
  os::SeededRandom random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string changed = bytes;
    for (uint64_t n = 1 + random.below(4); n > 0; --n)
      changed[random.below(changed.size())] = static_cast<char>(random.below(256));
    out.clear();
    (void)decode_segment(changed, out);
    std::vector<Point> points;
    (void)decode_points(changed, "loss", points);
  }
}

TEST_CASE("segment: merging orders, and drops what a retry sent twice") {
  const Series first{"a", {{2, 2, 2}, {1, 1, 1}}}, again{"a", {{1, 1, 1}, {3, 3, NAN}, {3, 3, NAN}}},
      other{"b", {{5, 0, 1}}};
  const std::vector<std::string> segments = {encode_segment({&first, 1}), encode_segment({&again, 1}),
                                             encode_segment({&other, 1})};
  auto merged = merge_segments(segments);
  REQUIRE(merged);
  std::vector<Point> points;
  REQUIRE(decode_points(*merged, "a", points));
  REQUIRE(points.size() == 3);
  CHECK(points[0].value == 1);
  CHECK(points[1].value == 2);
  CHECK(std::isnan(points[2].value));
  CHECK(merge_segments(std::vector<std::string>{*merged, *merged}).value() == *merged);
  CHECK_FALSE(merge_segments(std::vector<std::string>{"\x02"}));
}

TEST_CASE("segment: which value is the latest") {
  CHECK(is_newer({0, 2, 0}, {9, 1, 9}));
  CHECK(is_newer({2, 1, 0}, {1, 1, 9}));
  CHECK(is_newer({1, 1, 2}, {1, 1, 1}));
  CHECK_FALSE(is_newer({1, 1, 1}, {1, 1, 1}));
  CHECK_FALSE(is_newer({1, 1, NAN}, {1, 1, 0.5}));
}
