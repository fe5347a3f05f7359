#include "modules/tracking/history.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "base/log.h"
#include "modules/tracking/limits.h"
#include "modules/tracking/page_token.h"
#include "modules/tracking/segment.h"

namespace mk::tracking {
namespace {

constexpr size_t kBytesPerPoint = 10;  // in a merged segment, about

bool by_step(const Point& a, const Point& b) {
  return std::tuple(a.step, a.timestamp_ms) < std::tuple(b.step, b.timestamp_ms);
}

}  // namespace

std::string metric_stream(std::string_view run_id) {
  return "metrics/" + std::string(run_id);
}

Result<std::vector<Point>> History::read(std::string_view run_id, std::string_view key) {
  MK_TRY(const auto segments, store_.segments(metric_stream(run_id)));
  std::vector<Point> points;
  for (const auto& [id, bytes] : segments) MK_OK(decode_points(bytes, key, points));
  // Segments that an earlier process left behind are not counted: reading them is how we learn of them.
  if (segments.size() > kMergeAfterSegments) start_merge(std::string(run_id));
  order_history(points);
  return points;
}

Result<HistoryPage> History::page(std::string_view run_id, std::string_view key, size_t points_max,
                                  std::string_view page_token) {
  Fingerprint fingerprint;
  fingerprint.add(run_id);
  fingerprint.add(key);
  std::optional<Point> last;
  if (!page_token.empty()) {
    MK_TRY(const Json mark, read_page_token(page_token, fingerprint));
    if (mark.size() != 3 || !mark[0].is_int() || !mark[1].is_int() || !mark[2].is_int())
      return bad_page_token();
    last = Point{mark[0].integer(), mark[1].integer(), std::bit_cast<double>(mark[2].integer())};
  }
  HistoryPage page;
  MK_TRY(page.points, read(run_id, key));
  if (last) {
    page.points.erase(page.points.begin(), std::ranges::upper_bound(page.points, *last, in_history_order));
  }
  if (page.points.size() > points_max) {
    page.points.resize(points_max);
    const Point& end = page.points.back();
    page.next_page_token = make_page_token(
        fingerprint, Json::array({end.timestamp_ms, end.step, std::bit_cast<int64_t>(end.value)}));
  }
  return page;
}

std::vector<size_t> sample_indices(size_t count, size_t most) {
  std::vector<size_t> out;
  if (count == 0 || most == 0) return out;
  if (most == 1) return {count - 1};
  // Even groups, the first of each; the last point takes the place of the last group's first.
  const size_t groups = std::min(count, most);
  for (size_t i = 0; i < groups; ++i) out.push_back(i * (count / groups) + std::min(i, count % groups));
  if (out.back() != count - 1) out.back() = count - 1;
  return out;
}

Result<std::vector<Point>> History::sample(std::string_view run_id, std::string_view key, size_t points_max,
                                           std::optional<std::pair<int64_t, int64_t>> steps) {
  MK_TRY(std::vector<Point> points, read(run_id, key));
  if (steps)
    std::erase_if(points, [&](const Point& p) { return p.step < steps->first || p.step > steps->second; });
  // From history order to step order; equal steps and timestamps keep the order of their values either way.
  if (!std::ranges::is_sorted(points, by_step)) {
    std::ranges::sort(points, [](const Point& a, const Point& b) {
      if (by_step(a, b) || by_step(b, a)) return by_step(a, b);
      return in_history_order(a, b);
    });
  }
  std::vector<Point> out;
  for (const size_t i : sample_indices(points.size(), points_max)) out.push_back(points[i]);
  return out;
}

// ---- merging -------------------------------------------------------------------------------------

void History::appended(const std::string& run_id) {
  bool due = false;
  {
    std::lock_guard lock(mutex_);
    if (small_.size() > kMergeTrackedRunsMax)
      std::erase_if(small_,
                    [](const auto& entry) { return !entry.second.merging; });  // reading finds them again
    Small& small = small_[run_id];
    due = ++small.segments >= std::max(small.merge_at, kMergeAfterSegments) && !small.merging;
  }
  if (due) start_merge(run_id);
}

void History::start_merge(const std::string& run_id) {
  {
    std::lock_guard lock(mutex_);
    Small& small = small_[run_id];
    if (small.merging) return;
    small.merging = true;
    small.segments = 0;
  }
  executor_.post([self = weak_from_this(), run_id] {
    if (const auto history = self.lock()) history->merge(run_id);
  });
}

void History::merge(const std::string& run_id) {
  const std::string stream = metric_stream(run_id);
  auto segments = store_.segments(stream);
  // What has been merged into something large stays: a merge is one write, and must stay a small one.
  if (segments) {
    const auto large = std::find_if(segments->rbegin(), segments->rend(),
                                    [](const auto& segment) { return segment.second.size() >= kMergedBytesGoal; });
    segments->erase(segments->begin(), large.base());
  }
  if (!segments || segments->size() < 2) return merged(run_id, 0);
  std::vector<std::string> parts;
  parts.reserve(segments->size());
  for (auto& [id, bytes] : *segments) parts.push_back(std::move(bytes));
  auto whole = merge_segments(parts);
  if (!whole) {
    log::warn("the metric history of a run cannot be merged",
              {{"run", run_id}, {"error", whole.error().message}});
    return merged(run_id, 0);
  }
  const size_t bytes = whole->size();
  store_.merge_segments(stream, segments->front().first, segments->back().first, std::move(*whole), [self = weak_from_this(), run_id, bytes](auto done) {
    if (!done && done.error().code != Code::kNotFound)
      log::warn("merged metric history was not stored", {{"run", run_id}, {"error", done.error().message}});
    if (const auto history = self.lock()) history->merged(run_id, bytes);
  });
}

// A merge rewrites everything, so a large history waits for more small segments.
void History::merged(const std::string& run_id, size_t bytes) {
  std::lock_guard lock(mutex_);
  Small& small = small_[run_id];
  small.merging = false;
  small.merge_at = std::clamp(bytes / kBytesPerPoint / 8, kMergeAfterSegments, kMergeAtMostSegments);
}

}  // namespace mk::tracking
