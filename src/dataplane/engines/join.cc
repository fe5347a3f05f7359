#include "dataplane/engines/join.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace mk::dataplane {

bool can_join(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) {
    return x.name == y.name && x.type == y.type && !x.shape.empty() && x.shape.size() == y.shape.size() &&
           std::equal(x.shape.begin() + 1, x.shape.end(), y.shape.begin() + 1);
  });
}

std::optional<int64_t> rows_of(const std::vector<Tensor>& tensors) {
  if (tensors.empty() || tensors[0].shape.empty()) return std::nullopt;
  const int64_t rows = tensors[0].shape[0];
  for (const auto& tensor : tensors)
    if (tensor.shape.empty() || tensor.shape[0] != rows) return std::nullopt;
  return rows;
}

std::vector<Tensor> join_rows(const std::vector<const std::vector<Tensor>*>& requests) {
  std::vector<Tensor> joined;
  for (size_t i = 0; i < requests[0]->size(); ++i) {
    const Tensor& model = (*requests[0])[i];
    Tensor tensor{.name = model.name, .type = model.type, .shape = model.shape};
    tensor.shape[0] = 0;
    size_t bytes = 0;
    for (const auto* request : requests) {
      tensor.shape[0] += (*request)[i].shape[0];
      bytes += (*request)[i].data.size();
    }
    tensor.data = Buffer(bytes);
    std::byte* at = tensor.data.data();
    for (const auto* request : requests) {
      const Tensor& part = (*request)[i];
      if (part.data.size() > 0) std::memcpy(at, part.data.data(), part.data.size());
      at += part.data.size();
      tensor.texts.insert(tensor.texts.end(), part.texts.begin(), part.texts.end());
    }
    joined.push_back(std::move(tensor));
  }
  return joined;
}

std::optional<std::vector<std::vector<Tensor>>> split_rows(const std::vector<Tensor>& joined,
                                                           const std::vector<int64_t>& rows) {
  const int64_t total = std::accumulate(rows.begin(), rows.end(), int64_t{0});
  std::vector<std::vector<Tensor>> parts(rows.size());
  for (const auto& tensor : joined) {
    if (tensor.shape.empty() || tensor.shape[0] != total) return std::nullopt;
    const size_t row_bytes = total > 0 ? tensor.data.size() / static_cast<size_t>(total) : 0;
    const size_t row_texts = total > 0 ? tensor.texts.size() / static_cast<size_t>(total) : 0;
    size_t at = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto count = static_cast<size_t>(rows[i]);
      Tensor part{.name = tensor.name, .type = tensor.type, .shape = tensor.shape};
      part.shape[0] = rows[i];
      part.data = Buffer(count * row_bytes);
      if (part.data.size() > 0) std::memcpy(part.data.data(), tensor.data.data() + at * row_bytes, part.data.size());
      const auto first = tensor.texts.begin() + static_cast<std::ptrdiff_t>(at * row_texts);
      part.texts.assign(first, first + static_cast<std::ptrdiff_t>(count * row_texts));
      at += count;
      parts[i].push_back(std::move(part));
    }
  }
  return parts;
}

}  // namespace mk::dataplane
