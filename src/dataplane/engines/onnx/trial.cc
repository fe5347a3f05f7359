#include "dataplane/engines/onnx/trial.h"

#include <cmath>
#include <cstring>

#include "dataplane/engines/join.h"
#include "os/clock.h"
#include "os/random.h"

namespace mk::dataplane::onnx {
namespace {

constexpr int64_t kFreeDimension = 4;            // what a free dimension other than the first is set to
constexpr size_t kTrialElementsMax = 64u << 20;  // a model whose one row is larger gains nothing from batching
constexpr double kTolerance = 1e-3;              // kernels may sum in another order for two rows

bool grows(const TensorSpec& spec) { return !spec.shape.empty() && spec.shape[0] < 0; }

template <typename T>
void fill(Tensor& tensor, os::Random& random) {
  for (T& value : tensor.as<T>()) {
    if constexpr (std::is_floating_point_v<T>)
      value = static_cast<T>(random.below(2001)) / T{1000} - T{1};
    else
      value = static_cast<T>(random.below(2));  // often an index into a table: small ones exist
  }
}

bool fill_any(Tensor& tensor, os::Random& random) {
  switch (tensor.type) {
    case DataType::kBool:
    case DataType::kUint8: fill<uint8_t>(tensor, random); return true;
    case DataType::kInt8: fill<int8_t>(tensor, random); return true;
    case DataType::kInt16: fill<int16_t>(tensor, random); return true;
    case DataType::kInt32: fill<int32_t>(tensor, random); return true;
    case DataType::kInt64: fill<int64_t>(tensor, random); return true;
    case DataType::kUint16: fill<uint16_t>(tensor, random); return true;
    case DataType::kUint32: fill<uint32_t>(tensor, random); return true;
    case DataType::kUint64: fill<uint64_t>(tensor, random); return true;
    case DataType::kFp32: fill<float>(tensor, random); return true;
    case DataType::kFp64: fill<double>(tensor, random); return true;
    case DataType::kFp16:
    case DataType::kBytes: return false;
  }
  return false;
}

// One row for each input, or nothing when some type is not worth trying.
std::optional<std::vector<Tensor>> make_row(const Signature& signature, os::Random& random) {
  std::vector<Tensor> row;
  for (const auto& spec : signature.inputs) {
    Tensor tensor{.name = spec.name, .type = spec.type, .shape = spec.shape};
    for (auto& dimension : tensor.shape)
      if (dimension < 0) dimension = kFreeDimension;
    if (grows(spec)) tensor.shape[0] = 1;
    const auto count = element_count(tensor.shape, spec.name);
    if (!count || *count > kTrialElementsMax) return std::nullopt;
    tensor.data = Buffer(*count * size_of(spec.type));
    if (!fill_any(tensor, random)) return std::nullopt;
    row.push_back(std::move(tensor));
  }
  return row;
}

template <typename T>
bool close(const Tensor& a, const Tensor& b) {
  const auto left = a.as<T>(), right = b.as<T>();
  for (size_t i = 0; i < left.size(); ++i) {
    if (std::isnan(left[i]) && std::isnan(right[i])) continue;
    if (!(std::abs(left[i] - right[i]) <= kTolerance * (1 + std::abs(left[i])))) return false;
  }
  return true;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].type != b[i].type || a[i].shape != b[i].shape) return false;
    if (a[i].type == DataType::kFp32) {
      if (!close<float>(a[i], b[i])) return false;
    } else if (a[i].type == DataType::kFp64) {
      if (!close<double>(a[i], b[i])) return false;
    } else if (a[i].texts != b[i].texts || a[i].data.view() != b[i].data.view()) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool rows_are_independent(Engine& engine) {
  const Signature& signature = engine.signature();
  if (signature.inputs.empty() || signature.outputs.empty()) return false;
  for (const auto& spec : signature.inputs)
    if (!grows(spec)) return false;
  for (const auto& spec : signature.outputs)
    if (!grows(spec)) return false;
  os::SeededRandom random(1);
  const auto first = make_row(signature, random), second = make_row(signature, random);
  if (!first || !second) return false;
  const auto alone_first = engine.run(*first, {}), alone_second = engine.run(*second, {});
  if (!alone_first || !alone_second) return false;
  const auto together = engine.run(join_rows({&*first, &*second}), {});
  if (!together) return false;
  const auto parts = split_rows(*together, {1, 1});
  return parts && same((*parts)[0], *alone_first) && same((*parts)[1], *alone_second);
}

std::optional<Duration> time_one_row(Engine& engine, Duration wanted) {
  constexpr int kTries = 5;
  constexpr Duration kPatience = Duration::from_ms(30);
  os::SeededRandom random(1);
  const auto row = make_row(engine.signature(), random);
  if (!row) return std::nullopt;
  std::optional<Duration> best;
  const Duration began = os::system_clock().monotonic();
  for (int i = 0; i < kTries || *best > wanted; ++i) {
    const Duration start = os::system_clock().monotonic();
    if (i > 0 && start - began > kPatience) break;
    if (!engine.run(*row, {})) return std::nullopt;
    const Duration took = os::system_clock().monotonic() - start;
    if (!best || took < *best) best = took;
  }
  return best;
}

}  // namespace mk::dataplane::onnx
