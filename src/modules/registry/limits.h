// Every bound of the registry by name. Where MLflow has the same bound, its value is kept, so that what one
// server takes the other takes too.
#pragma once
#include <cstddef>
#include <cstdint>

namespace mk::registry {

constexpr size_t kModelNameCharsMax = 256;
constexpr size_t kDescriptionBytesMax = 100'000;
constexpr size_t kAliasCharsMax = 255;
constexpr size_t kTagKeyCharsMax = 250;
constexpr size_t kTagValueBytesMax = 100'000;
constexpr size_t kParamKeyCharsMax = 250;
constexpr size_t kParamValueCharsMax = 6'000;
constexpr size_t kSourceBytesMax = 500;
constexpr size_t kRunLinkBytesMax = 500;
constexpr size_t kModelTypeCharsMax = 500;

constexpr size_t kTagsPerRequestMax = 100;
constexpr size_t kTagsPerThingMax = 1'000;  // of one model, version or logged model
constexpr size_t kAliasesPerModelMax = 1'000;
constexpr size_t kParamsPerModelMax = 10'000;  // of one logged model
constexpr size_t kMetricsPerModelShown = 10'000;

constexpr size_t kTextBytesPerThingMax = 8u << 20;  // tags, or parameters, of one thing together

constexpr size_t kPageBytesMax = 16u << 20;  // a page ends before its texts are more; the next one goes on
constexpr int64_t kModelsPerPageDefault = 100;
constexpr int64_t kModelsPerPageMax = 1'000;
constexpr int64_t kVersionsPerPageDefault = 10'000;
constexpr int64_t kVersionsPerPageMax = 200'000;
constexpr int64_t kLoggedModelsPerPageDefault = 100;
constexpr int64_t kLoggedModelsPerPageMax = 1'000;
constexpr size_t kOrderKeysMax = 10;
constexpr size_t kExperimentsPerSearchMax = 1'000;
constexpr size_t kDatasetsPerSearchMax = 50;

constexpr size_t kModelFilesMax = 100'000;  // walked for a digest
constexpr size_t kModelDepthMax = 32;
constexpr size_t kDigestsKeptMax = 100'000;  // file digests in memory

constexpr uint64_t kArtifactBytesMax = 1ull << 40;      // of one file through the proxy
constexpr uint64_t kBrowserUploadBytesMax = 10u << 20;  // of one file sent by MLflow's page
constexpr uint64_t kDiskFreeBytesMin = 256u << 20;      // an upload that would leave less is refused
constexpr uint64_t kSpaceCheckBytes = 16u << 20;        // how often an upload looks whether that still holds
constexpr size_t kUploadsAtOnceMax = 512;               // each holds a file and a connection
constexpr size_t kListedEntriesMax = 50'000;            // of one folder

}  // namespace mk::registry
