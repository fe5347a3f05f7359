// The only source of chance. Real: the kernel's. Simulated: seeded, the same every run.
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace mk::os {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<unsigned char> out) = 0;

  uint64_t next();                          // 64 random bits
  uint64_t below(uint64_t bound);           // 0 .. bound-1, without bias; bound > 0
  std::string hex(size_t digits);           // lower case
  std::string uuid();                       // version 4, with dashes
  std::string suffix(size_t length);        // Kubernetes' generateName alphabet (no vowels)
};

Random& system_random();  // thread-safe

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void fill(std::span<unsigned char> out) override;

 private:
  uint64_t state_;
};

}  // namespace mk::os
