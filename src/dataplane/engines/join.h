// Joins tensors of several requests along the first dimension, and takes results apart again.
#pragma once
#include <optional>
#include <vector>

#include "dataplane/engines/tensor.h"

namespace mk::dataplane {

// True when both requests hold the same tensors but for the first dimension.
bool can_join(const std::vector<Tensor>& a, const std::vector<Tensor>& b);
// The common first dimension of a request's tensors; nothing when they differ or a tensor has none.
std::optional<int64_t> rows_of(const std::vector<Tensor>& tensors);

// All of them in order, which can_join allowed.
std::vector<Tensor> join_rows(const std::vector<const std::vector<Tensor>*>& requests);
// The results of each request by its number of rows; nothing when a result has other than the sum of rows.
std::optional<std::vector<std::vector<Tensor>>> split_rows(const std::vector<Tensor>& joined,
                                                           const std::vector<int64_t>& rows);

}  // namespace mk::dataplane
