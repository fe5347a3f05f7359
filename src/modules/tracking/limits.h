// Every bound of tracking by name. The first group is MLflow's own, so that what worked there works here.
#pragma once
#include <cstddef>
#include <cstdint>

namespace mk::tracking {

inline constexpr size_t kBatchMetricsMax = 1000;
inline constexpr size_t kBatchParamsMax = 100;
inline constexpr size_t kBatchTagsMax = 100;
inline constexpr size_t kBatchItemsMax = 1000;
inline constexpr size_t kBatchBodyBytesMax = 1'000'000;
inline constexpr size_t kKeyCharactersMax = 250;
inline constexpr size_t kParamCharactersMax = 6000;  // longer values are cut, as MLflow's server does
inline constexpr size_t kTagCharactersMax = 8000;    // likewise
inline constexpr size_t kExperimentNameCharactersMax = 500;
inline constexpr size_t kExperimentTagCharactersMax = 20'000;
inline constexpr size_t kArtifactLocationBytesMax = 2048;
inline constexpr size_t kSearchResultsDefault = 1000;
inline constexpr size_t kSearchResultsMax = 50'000;
inline constexpr size_t kDatasetsPerCallMax = 1000;
inline constexpr size_t kDatasetNameMax = 500;
inline constexpr size_t kDatasetDigestMax = 36;
inline constexpr size_t kDatasetSchemaBytesMax = 1'048'575;
inline constexpr size_t kDatasetSourceBytesMax = 65'535;
inline constexpr size_t kDatasetProfileBytesMax = 16'777'215;
inline constexpr size_t kInputTagKeyMax = 255;
inline constexpr size_t kInputTagValueMax = 500;
inline constexpr size_t kHistoryPageMax = 25'000;  // of the bulk history, and of a page when one is asked for
inline constexpr size_t kHistoryRunsMax = 100;     // runs in one bulk history call
inline constexpr size_t kHistorySampleMax = 2500;  // points a run in a sampled history
inline constexpr size_t kDatasetSummariesMax = 1000;

// Ours.
inline constexpr size_t kHistoryPointsMax =
    1'000'000;  // in one answer without max_results; a page token follows
inline constexpr size_t kSearchExperimentIdsMax = 10'000;
inline constexpr size_t kOrderByMax = 20;
inline constexpr size_t kSearchReplyBytesMax =
    256u << 20;  // a page ends early, with a token, when it would be larger
inline constexpr size_t kTagsAtCreateMax = 1000;
inline constexpr size_t kUserIdCharactersMax = 256;
inline constexpr size_t kModelsPerCallMax = 1000;
inline constexpr size_t kModelIdCharactersMax = 256;

// The read model in memory.
inline constexpr size_t kIndexBytesMax = 512u << 20;  // all experiments together; the least used go first
inline constexpr size_t kIndexOneBytesMax = 2048ull << 20;  // one experiment alone; a larger one is refused
inline constexpr size_t kIndexPendingApply =
    2'000;  // changes waiting until they are applied in the background
inline constexpr size_t kIndexPendingMax = 200'000;  // ... until the experiment is dropped from memory

// Metric segments.
inline constexpr size_t kMergeAfterSegments = 256;    // small segments of one run before they are merged, ...
inline constexpr size_t kMergeAtMostSegments = 4096;  // ... or this many when the merged part is large
inline constexpr size_t kMergedBytesGoal = 1u << 20;  // a segment of this size is not merged again
inline constexpr size_t kMergeTrackedRunsMax = 20'000;  // runs whose small segments are counted
inline constexpr size_t kSegmentKeysMax = 1'000'000;    // a larger number in a segment's head is damage
}  // namespace mk::tracking
