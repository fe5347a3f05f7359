// Bounds of the serving module.
#pragma once
#include "base/time.h"

namespace mk::serving {

constexpr int kReplicasMax = 64;
// How long a revision that gets no traffic any more is left running, so that requests which the gateway had already
// sent to it end well.
constexpr Duration kIdleBeforeScaleDown = Duration::from_seconds(3);
// Revisions kept (at zero replicas) beside those in use, so that a rollback is quick.
constexpr int kOldRevisionsKept = 2;
// How long a service that is ready otherwise waits for the gateway before its status says so, and how often it looks.
constexpr Duration kGatewayPatience = Duration::from_seconds(2);
constexpr Duration kGatewayPollFirst = Duration::from_ms(2);
constexpr Duration kRetryResolve = Duration::from_seconds(5);
constexpr size_t kMessageBytesMax = 1024;

}  // namespace mk::serving
