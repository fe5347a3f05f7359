// Bounds of the gateway.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace mk::gateway {

constexpr uint64_t kBodyBytesMax = 1u << 30;  // of a request
constexpr uint64_t kWholeRequestBytesMax = 1u
                                           << 20;  // up to this a body is held, so that it can be sent again
constexpr uint64_t kWholeReplyBytesMax = 256u << 10;  // up to this a reply goes out in one write
constexpr size_t kReplyQueueBytesMax = 1u << 20;      // a slower client pauses the upstream
// To one model server, on each thread; well below what it takes (modelserver/limits.h). Requests beyond wait.
constexpr size_t kConnectionsPerServerMax = 256;
constexpr size_t kWaitingPerServerMax = 8192;
constexpr size_t kWaitingBytesMax = 256u << 20;  // of the bodies of all that wait on a thread
constexpr int kAttemptsMax = 3;                       // endpoints tried for one request
constexpr Duration kConnectDeadline = Duration::from_seconds(2);
constexpr Duration kAnswerDeadline = Duration::from_seconds(300);  // until the head of the reply
constexpr Duration kEjectFor = Duration::from_seconds(1);  // an endpoint that refused a connection rests
constexpr size_t kRequestIdBytesMax = 128;                 // a longer one from outside is replaced
constexpr Duration kLeavingPoll = Duration::from_ms(100);  // how often it looks whether old revisions have answered all
constexpr Duration kDrainDeadline = Duration::from_seconds(30);

}  // namespace mk::gateway
