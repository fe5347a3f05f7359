// The bytes of metric points: one segment holds points of any number of metrics of one run, by column.
//
//   u8 version (1), varint metrics, then for each metric: varint length, key, varint points, varint bytes of
//   its block; then the blocks in the same order: steps, timestamps (zigzag varints of the difference to the
//   one before), values (8 bytes each, little endian).
// A reader of one metric skips the blocks of the others. Damage gives an Error, never a crash.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "modules/tracking/types.h"

namespace mk::tracking {

std::string encode_segment(std::span<const Series> series);

// Appends the points of `key` to `out`.
Result<void> decode_points(std::string_view segment, std::string_view key, std::vector<Point>& out);
// All metrics of the segment; points of a key already in `out` are appended there.
Result<void> decode_segment(std::string_view segment, std::vector<Series>& out);

// Many segments as one: points in history order, each once.
Result<std::string> merge_segments(std::span<const std::string> segments);

// By timestamp, step, value (NaN last): the order of a history.
bool in_history_order(const Point& a, const Point& b);
// Sorts into that order and drops repetitions (a client that retries sends the same points again).
void order_history(std::vector<Point>& points);
// Whether `a` replaces `b` as the latest value: the larger step, then timestamp, then value (NaN counts as
// 0).
bool is_newer(const Point& a, const Point& b);

}  // namespace mk::tracking
