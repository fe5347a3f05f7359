// Bounds of the serving module.
#pragma once
#include "base/time.h"

namespace mk::serving {

constexpr int kReplicasMax = 64;
// A revision that gets no traffic any more is left running for a moment, in case it comes back, and then until it has
// answered what the gateway had sent to it; the gateway itself waits no longer than this patience (kAnswerDeadline).
constexpr Duration kIdleBeforeScaleDown = Duration::from_seconds(3);
constexpr Duration kLeavingPatience = Duration::from_seconds(300);
constexpr Duration kLeavingPoll = Duration::from_ms(500);
// Revisions kept (at zero replicas) beside those in use, so that a rollback is quick.
constexpr int kOldRevisionsKept = 2;
// How long a service that is ready otherwise waits for the gateway before its status says so, and how often it looks.
constexpr Duration kGatewayPatience = Duration::from_seconds(2);
constexpr Duration kGatewayPollFirst = Duration::from_ms(2);
constexpr Duration kRetryResolve = Duration::from_seconds(5);
constexpr size_t kMessageBytesMax = 1024;

}  // namespace mk::serving
