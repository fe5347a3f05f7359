// Tensors as every engine and protocol of the data plane sees them, in host memory, row-major.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mk::dataplane {

// The element types of the Open Inference Protocol.
enum class DataType : uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFp16,
  kFp32,
  kFp64,
  kBytes,
};
inline constexpr size_t kDataTypes = 13;

size_t size_of(DataType type);  // bytes an element; 0 for kBytes
std::string_view name_of(DataType type);
std::optional<DataType> parse_data_type(std::string_view name);

// Memory that is not cleared before use: a tensor's bytes are always written in full. Aligned for SIMD kernels.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size);
  size_t size() const { return size_; }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_.get()), size_}; }
  void truncate(size_t size) { size_ = size < size_ ? size : size_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte[], Free> data_;
  size_t size_ = 0;
};

struct Tensor {
  std::string name;
  DataType type = DataType::kFp32;
  std::vector<int64_t> shape;      // never negative
  Buffer data;                     // elements in row-major order; empty for kBytes
  std::vector<std::string> texts;  // the elements of a kBytes tensor

  template <typename T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(data.data()), data.size() / sizeof(T)};
  }
  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
  }
  size_t elements() const { return type == DataType::kBytes ? texts.size() : data.size() / size_of(type); }
  // An independent copy; tensors are not copied by accident.
  Tensor clone() const;
};

// What a model takes or gives; a dimension of -1 may have any size.
struct TensorSpec {
  std::string name;
  DataType type = DataType::kFp32;
  std::vector<int64_t> shape;
};

struct Signature {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  // The lists are a description only: the engine itself decides which inputs it takes (models in Python).
  bool open = false;

  const TensorSpec* input(std::string_view name) const;
  const TensorSpec* output(std::string_view name) const;
};

// The number of elements of a shape; an error for a negative dimension, a rank above `kRankMax` or a product that
// no memory can hold. `whose` names the tensor in the message.
inline constexpr size_t kRankMax = 16;
Result<size_t> element_count(std::span<const int64_t> shape, std::string_view whose);
std::string shape_text(std::span<const int64_t> shape);  // "[1,784]"

// IEEE half precision, which C++ has no type for.
float half_to_float(uint16_t half);
uint16_t float_to_half(float value);  // rounds to nearest even

}  // namespace mk::dataplane
