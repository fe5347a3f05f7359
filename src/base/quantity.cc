#include "base/quantity.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"

namespace mk {
namespace {

constexpr int kDigitsMax = 40;  // of one number; int128 holds 38

struct Suffix {
  std::string_view text;
  int power;  // of ten (decimal) or of two (binary)
};
constexpr Suffix kDecimalSuffixes[] = {{"n", -9}, {"u", -6}, {"m", -3}, {"", 0},   {"k", 3},
                                       {"M", 6},  {"G", 9},  {"T", 12}, {"P", 15}, {"E", 18}};
constexpr Suffix kBinarySuffixes[] = {{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}, {"Pi", 50}, {"Ei", 60}};

Failure bad(std::string_view text) {
  return invalid(fmt::format("\"{}\" is no quantity like 500m, 1.5 or 2Gi", text.substr(0, 64)));
}

std::string digits_of(__int128 value) {
  if (value == 0) return "0";
  std::string out;
  const bool negative = value < 0;
  for (; value != 0; value /= 10)
    out += static_cast<char>('0' + static_cast<int>(negative ? -(value % 10) : value % 10));
  if (negative) out += '-';
  std::ranges::reverse(out);
  return out;
}

// Away from zero for positive, as Kubernetes rounds up.
__int128 divide_up(__int128 value, __int128 by) {
  const __int128 quotient = value / by;
  return value % by > 0 ? quotient + 1 : quotient;
}

struct Scale {
  __int128 times = 1, over = 1;
  Quantity::Format format = Quantity::Format::kDecimal;
};

Scale power_of_ten(int power) {
  Scale scale;
  for (int i = 0; i < std::abs(power); ++i) (power > 0 ? scale.times : scale.over) *= 10;
  return scale;
}

bool find_scale(std::string_view suffix, Scale& out) {
  for (const Suffix& row : kDecimalSuffixes)
    if (row.text == suffix) return out = power_of_ten(row.power), true;
  for (const Suffix& row : kBinarySuffixes)
    if (row.text == suffix) {
      out.times = static_cast<__int128>(1) << row.power;
      out.format = Quantity::Format::kBinary;
      return true;
    }
  int power = 0;
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return false;
  const char* from = suffix.data() + (suffix[1] == '+' ? 2 : 1);
  const auto [end, error] = std::from_chars(from, suffix.data() + suffix.size(), power);
  if (error != std::errc() || end != suffix.data() + suffix.size() || std::abs(power) > 18) return false;
  out = power_of_ten(power);
  out.format = Quantity::Format::kExponent;
  return true;
}

}  // namespace

Result<Quantity> Quantity::parse(std::string_view text) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  __int128 mantissa = 0;
  __int128 over = 1;
  int digits = 0;
  bool fraction = false;
  bool lost = false;  // digits beyond the 18th after the point only round up
  for (; !rest.empty() && (rest.front() == '.' || (rest.front() >= '0' && rest.front() <= '9'));
       rest.remove_prefix(1)) {
    if (rest.front() == '.') {
      if (fraction) return bad(text);
      fraction = true;
      continue;
    }
    if (++digits > kDigitsMax) return bad(text);
    if (fraction && over >= static_cast<__int128>(kNano) * kNano) {
      lost = lost || rest.front() != '0';
      continue;
    }
    mantissa = mantissa * 10 + (rest.front() - '0');
    if (fraction) over *= 10;
    if (mantissa / over > INT64_MAX) return bad(text);
  }
  Scale scale;
  if (digits == 0 || !find_scale(rest, scale)) return bad(text);
  // mantissa < 2^63 * 10^18, so one multiplication at a time and a check between keeps within 128 bits.
  __int128 value = mantissa / over;
  __int128 part = mantissa % over;
  if (value > INT64_MAX / scale.times) return bad(text);
  // The fraction in billionths of a unit, at 128 bits: part / over < 1.
  constexpr __int128 kExact = static_cast<__int128>(1) << 62;
  __int128 part_nano = 0;
  if (part != 0 || lost) {
    if (over > kNano && scale.times > kExact / kNano) {  // more than nine places of a huge unit
      part = divide_up(part, over / kNano);
      over = kNano;
    }
    // part < 10^18 (2^60), scale.times * kNano up to 2^90: split the product.
    const __int128 whole = part * scale.times / over;
    const __int128 remain = part * scale.times % over;
    part_nano = whole * kNano + divide_up(remain * kNano, over) + (lost ? 1 : 0);
  }
  __int128 nano = value * scale.times * kNano + part_nano;
  nano = divide_up(nano, scale.over);
  if (nano / kNano > INT64_MAX) return bad(text);
  return Quantity(negative ? -nano : nano, scale.format);
}

int64_t Quantity::value() const {
  return static_cast<int64_t>(divide_up(nano_, kNano));
}

int64_t Quantity::milli() const {
  const __int128 milli = divide_up(nano_, kNano / 1000);
  return static_cast<int64_t>(std::clamp<__int128>(milli, INT64_MIN, INT64_MAX));
}

std::string Quantity::text() const {
  if (nano_ == 0) return "0";
  const bool whole = nano_ % kNano == 0;
  if (format_ == Format::kBinary && whole) {
    const __int128 units = nano_ / kNano;
    std::string_view suffix;
    __int128 by = 1;
    for (const Suffix& row : kBinarySuffixes) {
      const __int128 next = static_cast<__int128>(1) << row.power;
      if (units % next != 0) break;
      by = next;
      suffix = row.text;
    }
    return digits_of(units / by) + std::string(suffix);
  }
  std::string text;
  __int128 by = 1;
  for (const Suffix& row : kDecimalSuffixes) {  // from billionths up
    if (nano_ % by != 0) break;
    text = digits_of(nano_ / by);
    if (format_ == Format::kExponent)
      text += row.power == 0 ? std::string() : fmt::format("e{}", row.power);
    else
      text += row.text;
    by *= 1000;
  }
  return text;
}

}  // namespace mk
