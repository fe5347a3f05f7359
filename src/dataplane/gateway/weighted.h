// Smooth weighted round robin: in every run of sum(weights) picks each item comes up exactly its weight in
// times, spread evenly. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace mk::gateway {

class Weighted {
 public:
  explicit Weighted(std::vector<int> weights);

  // The next item; items of weight 0 never come up. Some weight must be positive.
  size_t next();
  const std::vector<int>& weights() const { return weights_; }

 private:
  std::vector<int> weights_;
  std::vector<int64_t> credit_;
  int64_t sum_ = 0;
};

}  // namespace mk::gateway
