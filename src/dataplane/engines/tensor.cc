#include "dataplane/engines/tensor.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/format.h"

namespace mk::dataplane {
namespace {

struct TypeRow {
  std::string_view name;
  size_t size;
};
constexpr std::array<TypeRow, kDataTypes> kTypes = {{{"BOOL", 1},
                                                     {"INT8", 1},
                                                     {"INT16", 2},
                                                     {"INT32", 4},
                                                     {"INT64", 8},
                                                     {"UINT8", 1},
                                                     {"UINT16", 2},
                                                     {"UINT32", 4},
                                                     {"UINT64", 8},
                                                     {"FP16", 2},
                                                     {"FP32", 4},
                                                     {"FP64", 8},
                                                     {"BYTES", 0}}};
constexpr size_t kAlignment = 64;                 // a cache line and the widest vector register
constexpr size_t kElementsMax = size_t{1} << 40;  // far above any memory, far below overflow of bytes

const TensorSpec* find(const std::vector<TensorSpec>& specs, std::string_view name) {
  for (const auto& spec : specs)
    if (spec.name == name) return &spec;
  return nullptr;
}

}  // namespace

size_t size_of(DataType type) { return kTypes[static_cast<size_t>(type)].size; }
std::string_view name_of(DataType type) { return kTypes[static_cast<size_t>(type)].name; }

std::optional<DataType> parse_data_type(std::string_view name) {
  for (size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == name) return static_cast<DataType>(i);
  return std::nullopt;
}

Buffer::Buffer(size_t size) : size_(size) {
  // aligned_alloc wants a multiple of the alignment; never zero, so that data() is a valid pointer.
  const size_t rounded = (size / kAlignment + 1) * kAlignment;
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)));
  MK_CHECK(data_ != nullptr);
}

Tensor Tensor::clone() const {
  Tensor copy{name, type, shape, Buffer(data.size()), texts};
  if (data.size() > 0) std::memcpy(copy.data.data(), data.data(), data.size());
  return copy;
}

const TensorSpec* Signature::input(std::string_view name) const { return find(inputs, name); }
const TensorSpec* Signature::output(std::string_view name) const { return find(outputs, name); }

Result<size_t> element_count(std::span<const int64_t> shape, std::string_view whose) {
  if (shape.size() > kRankMax)
    return invalid(fmt::format("{}: a shape has {} dimensions at most, not {}", whose, kRankMax, shape.size()));
  size_t count = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0)
      return invalid(fmt::format("{}: shape {} has a negative dimension", whose, shape_text(shape)));
    if (__builtin_mul_overflow(count, static_cast<size_t>(dimension), &count) || count > kElementsMax)
      return invalid(fmt::format("{}: shape {} has too many elements", whose, shape_text(shape)));
  }
  return count;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const int64_t dimension : shape) {
    if (text.size() > 1) text += ',';
    text += fmt::format("{}", dimension);
  }
  return text + "]";
}

float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  uint32_t exponent = (half >> 10) & 0x1fu;
  uint32_t fraction = half & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent == 0) {
    if (fraction == 0) return std::bit_cast<float>(sign);
    const auto shift = static_cast<uint32_t>(std::countl_zero(fraction)) - 21;  // a subnormal: make it normal
    fraction = (fraction << shift) & 0x3ffu;
    return std::bit_cast<float>(sign | ((113 - shift) << 23) | (fraction << 13));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);   // NaN
  if (magnitude >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // too large: infinity
  if (magnitude < 0x38800000u) {                                               // subnormal or zero
    if (magnitude < 0x33000000u) return sign;
    const uint32_t shift = 126 - (magnitude >> 23);
    const uint32_t fraction = (magnitude & 0x7fffffu) | 0x800000u;
    const uint32_t rest = fraction & ((1u << shift) - 1), middle = 1u << (shift - 1);
    uint32_t half = fraction >> shift;
    if (rest > middle || (rest == middle && (half & 1u))) ++half;
    return static_cast<uint16_t>(sign | half);
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

}  // namespace mk::dataplane
