#include "os/random.h"

#include <sys/random.h>

#include <cerrno>
#include <string_view>

#include "base/encoding.h"
#include "base/error.h"

namespace mk::os {
namespace {

class SystemRandom final : public Random {
 public:
  void fill(std::span<unsigned char> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = getrandom(out.data() + done, out.size() - done, 0);
      MK_CHECK(n > 0 || errno == EINTR);
      if (n > 0) done += static_cast<size_t>(n);
    }
  }
};

}  // namespace

Random& system_random() {
  static SystemRandom random;
  return random;
}

uint64_t Random::next() {
  uint64_t value = 0;
  fill({reinterpret_cast<unsigned char*>(&value), sizeof value});
  return value;
}

uint64_t Random::below(uint64_t bound) {
  MK_CHECK(bound > 0);
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = next();
  while (value >= limit) value = next();
  return value % bound;
}

std::string Random::hex(size_t digits) {
  std::string bytes((digits + 1) / 2, '\0');
  fill({reinterpret_cast<unsigned char*>(bytes.data()), bytes.size()});
  return hex_encode(bytes).substr(0, digits);
}

std::string Random::uuid() {
  std::string text = hex(32);
  text[12] = '4';
  text[16] = "89ab"[static_cast<unsigned char>(text[16]) & 3];
  for (const size_t at : {8u, 13u, 18u, 23u}) text.insert(at, 1, '-');
  return text;
}

std::string Random::suffix(size_t length) {
  static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string text;
  for (size_t i = 0; i < length; ++i) text += kAlphabet[below(kAlphabet.size())];
  return text;
}

// splitmix64: small, and good enough for simulations (never for secrets).
void SeededRandom::fill(std::span<unsigned char> out) {
  for (unsigned char& byte : out) {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    byte = static_cast<unsigned char>(z ^ z >> 31);
  }
}

}  // namespace mk::os
