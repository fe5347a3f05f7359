// Kubernetes quantities: "500m", "1.5", "2Gi", "1e3". Exact, no floating point.
#pragma once
#include <compare>
#include <string>
#include <string_view>

#include "base/error.h"

namespace mk {

class Quantity {
 public:
  enum class Format : uint8_t { kDecimal, kBinary, kExponent };  // k M G, Ki Mi Gi, e3 e6

  constexpr Quantity() = default;
  static constexpr Quantity from_integer(int64_t value, Format format = Format::kDecimal) {
    return Quantity(static_cast<__int128>(value) * kNano, format);
  }
  static constexpr Quantity from_milli(int64_t value) {
    return Quantity(static_cast<__int128>(value) * (kNano / 1000), Format::kDecimal);
  }
  // Finer than a billionth is rounded up, as Kubernetes does; beyond 2^63 units is refused.
  static Result<Quantity> parse(std::string_view text);

  // Whole units and thousandths, rounded up.
  int64_t value() const;
  int64_t milli() const;
  std::string text() const;  // canonical: "1500m", "2Gi"
  bool is_negative() const { return nano_ < 0; }
  bool is_zero() const { return nano_ == 0; }

  constexpr auto operator<=>(const Quantity& other) const { return nano_ <=> other.nano_; }
  constexpr bool operator==(const Quantity& other) const { return nano_ == other.nano_; }
  Quantity operator+(const Quantity& other) const { return Quantity(nano_ + other.nano_, format_); }
  Quantity operator-(const Quantity& other) const { return Quantity(nano_ - other.nano_, format_); }

 private:
  static constexpr int64_t kNano = 1'000'000'000;
  constexpr Quantity(__int128 nano, Format format) : nano_(nano), format_(format) {}

  __int128 nano_ = 0;  // billionths
  Format format_ = Format::kDecimal;
};

}  // namespace mk
