// A reply that somebody listens to: for records of what was answered.
#pragma once
#include <functional>

#include "net/server.h"

namespace mk::net {

// Passes everything on to `reply`. `told` is called once with the status, when the answer begins; 499 when the client left
// before that, or nobody answered.
Reply observe(Reply reply, std::function<void(int status)> told);

}  // namespace mk::net
