#include "modules/tracking/run_state.h"

#include "modules/tracking/segment.h"

namespace mk::tracking {

size_t RunState::bytes() const {
  size_t total = sizeof(RunState) + 64 + info.id.capacity() + info.name.capacity() + info.user.capacity() +
                 info.artifact_uri.capacity() + metrics.capacity() * sizeof(MetricCell);
  for (const std::vector<TextCell>* cells : {&params, &tags}) {
    total += cells->capacity() * sizeof(TextCell);
    for (const TextCell& cell : *cells) total += cell.value.capacity();
  }
  if (links) {
    for (const DatasetInput& input : links->datasets)
      total +=
          512 + input.dataset->schema.size() + input.dataset->profile.size() + input.dataset->source.size();
  }
  return total;
}

void RunState::set_text(std::vector<TextCell>& cells, const Key* key, std::string_view value) {
  const auto it = cell_at(cells, key);
  if (it != cells.end() && it->key == key) {
    it->value = value;
  } else {
    cells.insert(it, TextCell{key, std::string(value)});
  }
}

void RunState::merge_metric(const Key* key, const Point& point) {
  const auto it = cell_at(metrics, key);
  if (it == metrics.end() || it->key != key) {
    metrics.insert(it, MetricCell{key, point});
  } else if (is_newer(point, it->latest)) {
    it->latest = point;
  }
}

}  // namespace mk::tracking
