// A run with everything that search and its JSON need: latest metrics, params, tags, inputs, outputs.
// Keys are shared: cells point into the KeyTable of their experiment (or of one answer), which must outlive
// them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "modules/tracking/types.h"

namespace mk::tracking {

struct Key {
  std::string name;
  std::string json;  // quoted and escaped, for printing
};

// Not thread-safe for writing; a Key never moves, so readers may hold pointers while keys are added.
class KeyTable {
 public:
  const Key* add(std::string_view name) {
    if (const Key* known = find(name)) return known;
    Key& key = keys_.emplace_back(std::string(name));
    append_json_string(key.json, name);
    by_name_.emplace(key.name, &key);
    return &key;
  }
  const Key* find(std::string_view name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : it->second;
  }

 private:
  std::deque<Key> keys_;
  std::unordered_map<std::string_view, const Key*> by_name_;
};

struct MetricCell {
  const Key* key = nullptr;
  Point latest;
};
struct TextCell {
  const Key* key = nullptr;
  std::string value;
};

// Cells sorted by the key's address, so that a lookup is a search among a few dozen pointers.
template <typename Cell>
auto cell_at(std::vector<Cell>& cells, const Key* key) {
  return std::ranges::lower_bound(cells, key, std::less<>{}, &Cell::key);
}
template <typename Cell>
const Cell* find_cell(const std::vector<Cell>& cells, const Key* key) {
  const auto it = std::ranges::lower_bound(cells, key, std::less<>{}, &Cell::key);
  return it != cells.end() && it->key == key ? &*it : nullptr;
}

// Few runs have any of these.
struct RunLinks {
  std::vector<DatasetInput> datasets;
  std::vector<std::string> model_inputs;
  std::vector<ModelOutput> model_outputs;
};

struct RunState {
  RunInfo info;
  std::vector<MetricCell> metrics;
  std::vector<TextCell> params, tags;
  std::shared_ptr<const RunLinks> links;  // may be null

  size_t bytes() const;  // about what it takes in memory
  void set_text(std::vector<TextCell>& cells, const Key* key, std::string_view value);
  void merge_metric(const Key* key, const Point& point);  // kept if newer
};
using RunRef = std::shared_ptr<const RunState>;

// Runs of an answer. `keys` keeps alive what the cells point to.
struct RunList {
  std::vector<RunRef> runs;
  std::vector<std::shared_ptr<const KeyTable>> keys;
};

}  // namespace mk::tracking
