// Every bound of core, by name.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace mk::core::limits {

inline constexpr int kModifyAttempts = 16;  // read-change-write rounds before kConflict is the answer
inline constexpr int kGenerateNameAttempts = 8;
inline constexpr size_t kRemovedAtOnceMax = 256;  // of many objects: what shares a commit
inline constexpr size_t kAnnotationsBytesMax = 256 * 1024;  // as Kubernetes
inline constexpr size_t kShownBytesMax = 120;               // of a bad value in a refusal
inline constexpr size_t kCausesMax = 100;                   // bad fields listed of one object
inline constexpr size_t kSelectorRequirementsMax = 100;
inline constexpr size_t kUpdateManagersMax =
    10;  // in managedFields; the oldest are joined into one, as Kubernetes does

// Controllers.
inline constexpr Duration kBackoffMin = Duration::from_ms(5);
inline constexpr Duration kBackoffMax = Duration::from_seconds(300);

// Events.
inline constexpr size_t kEventMessageBytesMax = 1024;
inline constexpr size_t kEventMessagesPerReasonMax =
    10;  // different ones about one object; then they are combined
inline constexpr size_t kEventSubjectsRememberedMax = 4096;
inline constexpr size_t kEventsPerNamespaceMax = 2000;
inline constexpr Duration kEventAgeMax = Duration::from_seconds(3600);
inline constexpr int kEventWriteAttempts = 5;

// Access.
inline constexpr size_t kSecretKeysMax = 100;
inline constexpr size_t kServiceTokenBytesMax = 8 * 1024, kServiceTokensRememberedMax = 4096;
inline constexpr size_t kAuditTextBytesMax = 512;  // of a name or path in a line
inline constexpr size_t kAuditFileBytesMax = 8 << 20, kAuditWaitingBytesMax = 1 << 20;
inline constexpr int kAuditFilesMax = 8;
inline constexpr Duration kAuditDelay = Duration::from_ms(200);
inline constexpr size_t kRuleChecksMax = 200'000;  // comparisons to find out whether somebody may hand on the rights of a role

// Finished Pods that nothing owns stay for people to read, up to here.
inline constexpr size_t kFinishedPodsPerNamespaceMax = 200;
inline constexpr Duration kFinishedPodAgeMax = Duration::from_seconds(7 * 24 * 3600);
inline constexpr Duration kRetentionPeriod = Duration::from_seconds(60);

}  // namespace mk::core::limits
