// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace mk {

std::string sha256_hex(std::string_view bytes);

// For what does not fit in memory: add() any number of times, then hex() once.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::string_view bytes);
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mk
