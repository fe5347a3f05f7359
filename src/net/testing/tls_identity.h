// For tests: a fresh self-signed certificate for 127.0.0.1 and localhost.
#pragma once
#include <string>

namespace mk::net::testing {

struct TestIdentity {
  std::string certificate, key;  // PEM
};
TestIdentity make_identity();

}  // namespace mk::net::testing
