#include "modules/tracking/segment.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <tuple>

#include "modules/tracking/limits.h"

namespace mk::tracking {
namespace {

constexpr char kVersion = 1;
static_assert(std::endian::native == std::endian::little);

void put_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

Failure damaged() {
  return fail(Code::kInternal, "segment_damaged", "a stored piece of metric history cannot be read");
}

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  bool varint(uint64_t& out) {
    out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) return false;
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      out |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (!(byte & 0x80)) return true;
    }
    return false;
  }

  bool take(uint64_t count, std::string_view& out) {
    if (count > bytes_.size() - at_) return false;
    out = bytes_.substr(at_, count);
    at_ += count;
    return true;
  }

  size_t left() const { return bytes_.size() - at_; }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

struct Entry {
  std::string_view key;
  uint64_t points = 0;
  uint64_t bytes = 0;
  std::string_view block;
};

Result<std::vector<Entry>> read_entries(std::string_view segment) {
  if (segment.empty() || segment[0] != kVersion) return damaged();
  Cursor cursor(segment.substr(1));
  uint64_t count = 0;
  if (!cursor.varint(count) || count > kSegmentKeysMax || count > segment.size()) return damaged();
  std::vector<Entry> entries(count);
  for (Entry& entry : entries) {
    uint64_t length = 0;
    if (!cursor.varint(length) || !cursor.take(length, entry.key) || !cursor.varint(entry.points) ||
        !cursor.varint(entry.bytes))
      return damaged();
    // A point takes at least ten bytes: so a forged count cannot make us reserve much.
    if (entry.points > entry.bytes / 10) return damaged();
  }
  for (Entry& entry : entries) {
    if (!cursor.take(entry.bytes, entry.block)) return damaged();
  }
  if (cursor.left()) return damaged();
  return entries;
}

Result<void> read_block(const Entry& entry, std::vector<Point>& out) {
  const size_t first = out.size();
  out.resize(first + entry.points);
  Cursor cursor(entry.block);
  for (int64_t Point::* field : {&Point::step, &Point::timestamp_ms}) {
    uint64_t value = 0;
    for (size_t i = first; i < out.size(); ++i) {
      uint64_t difference = 0;
      if (!cursor.varint(difference)) return damaged();
      value += static_cast<uint64_t>(unzigzag(difference));
      out[i].*field = static_cast<int64_t>(value);
    }
  }
  std::string_view values;
  if (cursor.left() != entry.points * sizeof(double) || !cursor.take(cursor.left(), values)) return damaged();
  for (size_t i = 0; i < entry.points; ++i)
    std::memcpy(&out[first + i].value, values.data() + i * sizeof(double), sizeof(double));
  return {};
}

void put_block(std::string& out, const std::vector<Point>& points) {
  for (int64_t Point::* field : {&Point::step, &Point::timestamp_ms}) {
    uint64_t before = 0;
    for (const Point& point : points) {
      const auto now = static_cast<uint64_t>(point.*field);
      put_varint(out, zigzag(static_cast<int64_t>(now - before)));
      before = now;
    }
  }
  for (const Point& point : points) {
    char bytes[sizeof(double)];
    std::memcpy(bytes, &point.value, sizeof bytes);
    out.append(bytes, sizeof bytes);
  }
}

}  // namespace

std::string encode_segment(std::span<const Series> series) {
  std::string head(1, kVersion), blocks;
  put_varint(head, series.size());
  for (const Series& one : series) {
    const size_t before = blocks.size();
    put_block(blocks, one.points);
    put_varint(head, one.key.size());
    head += one.key;
    put_varint(head, one.points.size());
    put_varint(head, blocks.size() - before);
  }
  head += blocks;
  return head;
}

Result<void> decode_points(std::string_view segment, std::string_view key, std::vector<Point>& out) {
  MK_TRY(const std::vector<Entry> entries, read_entries(segment));
  for (const Entry& entry : entries) {
    if (entry.key == key) MK_OK(read_block(entry, out));
  }
  return {};
}

Result<void> decode_segment(std::string_view segment, std::vector<Series>& out) {
  MK_TRY(const std::vector<Entry> entries, read_entries(segment));
  for (const Entry& entry : entries) {
    auto it = std::ranges::find(out, entry.key, &Series::key);
    if (it == out.end()) it = out.insert(out.end(), Series{std::string(entry.key), {}});
    MK_OK(read_block(entry, it->points));
  }
  return {};
}

Result<std::string> merge_segments(std::span<const std::string> segments) {
  std::map<std::string, std::vector<Point>, std::less<>> by_key;
  for (const std::string& segment : segments) {
    MK_TRY(const std::vector<Entry> entries, read_entries(segment));
    for (const Entry& entry : entries) {
      auto it = by_key.find(entry.key);
      if (it == by_key.end()) it = by_key.emplace(std::string(entry.key), std::vector<Point>()).first;
      MK_OK(read_block(entry, it->second));
    }
  }
  std::vector<Series> merged;
  merged.reserve(by_key.size());
  for (auto& [key, points] : by_key) {
    order_history(points);
    merged.push_back({key, std::move(points)});
  }
  return encode_segment(merged);
}

namespace {
// NaN after every number, and all NaNs alike, so that this is a strict weak order.
std::tuple<int64_t, int64_t, bool, double> rank(const Point& p) {
  const bool nan = std::isnan(p.value);
  return {p.timestamp_ms, p.step, nan, nan ? 0 : p.value};
}
}  // namespace

bool in_history_order(const Point& a, const Point& b) {
  return rank(a) < rank(b);
}

void order_history(std::vector<Point>& points) {
  if (!std::ranges::is_sorted(points, in_history_order)) std::ranges::sort(points, in_history_order);
  const auto [from, to] =
      std::ranges::unique(points, [](const Point& a, const Point& b) { return rank(a) == rank(b); });
  points.erase(from, to);
}

bool is_newer(const Point& a, const Point& b) {
  const auto number = [](double value) { return std::isnan(value) ? 0.0 : value; };
  return std::tuple(a.step, a.timestamp_ms, number(a.value)) >
         std::tuple(b.step, b.timestamp_ms, number(b.value));
}

}  // namespace mk::tracking
