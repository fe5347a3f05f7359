#include "dataplane/gateway/weighted.h"

#include "base/error.h"

namespace mk::gateway {

Weighted::Weighted(std::vector<int> weights) : weights_(std::move(weights)), credit_(weights_.size(), 0) {
  for (const int weight : weights_) {
    MK_CHECK(weight >= 0);
    sum_ += weight;
  }
}

// Everyone earns its weight; the richest is picked and pays the sum.
size_t Weighted::next() {
  MK_CHECK(sum_ > 0);
  size_t best = 0;
  bool found = false;
  for (size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] == 0) continue;
    credit_[i] += weights_[i];
    if (!found || credit_[i] > credit_[best]) best = i;
    found = true;
  }
  credit_[best] -= sum_;
  return best;
}

}  // namespace mk::gateway
