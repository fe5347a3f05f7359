// What a node needs so that a Pod can call the control plane as its service account. Implemented by ServiceTokens.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace mk::core {

class AccountTokens {
 public:
  struct Wish {
    std::string space, account;
    std::vector<std::string> audiences;  // empty: this server
    Duration life;
    // Void when this is gone: "pods" or "secrets" and a name in the same namespace; empty: nothing.
    std::string bound_resource = {}, bound_name = {}, bound_uid = {};
  };
  struct Issued {
    std::string token;
    Time expires;
  };
  virtual ~AccountTokens() = default;
  virtual Result<Issued> issue(const Wish& wish) = 0;
};

}  // namespace mk::core
