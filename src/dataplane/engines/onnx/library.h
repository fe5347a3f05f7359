// ONNX Runtime, opened with dlopen on first use: the release carries no engine and starts without one.
//
// No package ships onnxruntime_c_api.h. Its API is one table of function pointers that only ever grows at its end, so
// the slots that we call are declared here by number; each is exercised by session_test.cc against the real library.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace mk::dataplane::onnx {

// The library's own types, never looked into.
struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtAllocator;
struct OrtTypeInfo;
struct OrtTensorInfo;
struct OrtSequenceInfo;
struct OrtMapInfo;

// ONNXType and ONNXTensorElementDataType, the values that we handle.
inline constexpr int kOnnxTensor = 1, kOnnxSequence = 2, kOnnxMap = 3;
inline constexpr int kElementString = 8;

// name(slot, result, parameters): the calls and where they stand in the table.
#define MK_ORT_CALLS(CALL)                                                                                          \
  CALL(GetErrorCode, 1, int, (const OrtStatus*))                                                                    \
  CALL(GetErrorMessage, 2, const char*, (const OrtStatus*))                                                         \
  CALL(CreateEnv, 3, OrtStatus*, (int level, const char* id, OrtEnv**))                                             \
  CALL(CreateSession, 7, OrtStatus*, (OrtEnv*, const char* path, const OrtSessionOptions*, OrtSession**))           \
  CALL(Run, 9, OrtStatus*,                                                                                          \
       (OrtSession*, const OrtRunOptions*, const char* const*, const OrtValue* const*, size_t, const char* const*,  \
        size_t, OrtValue**))                                                                                        \
  CALL(CreateSessionOptions, 10, OrtStatus*, (OrtSessionOptions**))                                                 \
  CALL(SetSessionGraphOptimizationLevel, 23, OrtStatus*, (OrtSessionOptions*, int))                                 \
  CALL(SetIntraOpNumThreads, 24, OrtStatus*, (OrtSessionOptions*, int))                                             \
  CALL(SetInterOpNumThreads, 25, OrtStatus*, (OrtSessionOptions*, int))                                             \
  CALL(SessionGetInputCount, 30, OrtStatus*, (const OrtSession*, size_t*))                                          \
  CALL(SessionGetOutputCount, 31, OrtStatus*, (const OrtSession*, size_t*))                                         \
  CALL(SessionGetInputTypeInfo, 33, OrtStatus*, (const OrtSession*, size_t, OrtTypeInfo**))                         \
  CALL(SessionGetOutputTypeInfo, 34, OrtStatus*, (const OrtSession*, size_t, OrtTypeInfo**))                        \
  CALL(SessionGetInputName, 36, OrtStatus*, (const OrtSession*, size_t, OrtAllocator*, char**))                     \
  CALL(SessionGetOutputName, 37, OrtStatus*, (const OrtSession*, size_t, OrtAllocator*, char**))                    \
  CALL(CreateTensorAsOrtValue, 48, OrtStatus*, (OrtAllocator*, const int64_t*, size_t, int type, OrtValue**))       \
  CALL(CreateTensorWithDataAsOrtValue, 49, OrtStatus*,                                                              \
       (const OrtMemoryInfo*, void*, size_t bytes, const int64_t*, size_t, int type, OrtValue**))                   \
  CALL(GetTensorMutableData, 51, OrtStatus*, (OrtValue*, void**))                                                   \
  CALL(GetStringTensorDataLength, 53, OrtStatus*, (const OrtValue*, size_t*))                                       \
  CALL(GetStringTensorContent, 54, OrtStatus*, (const OrtValue*, void*, size_t, size_t* offsets, size_t))           \
  CALL(CastTypeInfoToTensorInfo, 55, OrtStatus*, (const OrtTypeInfo*, const OrtTensorInfo**))                       \
  CALL(GetOnnxTypeFromTypeInfo, 56, OrtStatus*, (const OrtTypeInfo*, int*))                                         \
  CALL(GetTensorElementType, 60, OrtStatus*, (const OrtTensorInfo*, int*))                                          \
  CALL(GetDimensionsCount, 61, OrtStatus*, (const OrtTensorInfo*, size_t*))                                         \
  CALL(GetDimensions, 62, OrtStatus*, (const OrtTensorInfo*, int64_t*, size_t))                                     \
  CALL(GetTensorTypeAndShape, 65, OrtStatus*, (const OrtValue*, OrtTensorInfo**))                                   \
  CALL(CreateCpuMemoryInfo, 69, OrtStatus*, (int allocator, int memory, OrtMemoryInfo**))                           \
  CALL(AllocatorFree, 76, OrtStatus*, (OrtAllocator*, void*))                                                       \
  CALL(GetAllocatorWithDefaultOptions, 78, OrtStatus*, (OrtAllocator**))                                            \
  CALL(GetValue, 80, OrtStatus*, (const OrtValue*, int index, OrtAllocator*, OrtValue**))                           \
  CALL(GetValueCount, 81, OrtStatus*, (const OrtValue*, size_t*))                                                   \
  CALL(ReleaseEnv, 92, void, (OrtEnv*))                                                                             \
  CALL(ReleaseStatus, 93, void, (OrtStatus*))                                                                       \
  CALL(ReleaseMemoryInfo, 94, void, (OrtMemoryInfo*))                                                               \
  CALL(ReleaseSession, 95, void, (OrtSession*))                                                                     \
  CALL(ReleaseValue, 96, void, (OrtValue*))                                                                         \
  CALL(ReleaseTypeInfo, 98, void, (OrtTypeInfo*))                                                                   \
  CALL(ReleaseTensorTypeAndShapeInfo, 99, void, (OrtTensorInfo*))                                                   \
  CALL(ReleaseSessionOptions, 100, void, (OrtSessionOptions*))                                                      \
  CALL(CastTypeInfoToMapTypeInfo, 103, OrtStatus*, (const OrtTypeInfo*, const OrtMapInfo**))                        \
  CALL(CastTypeInfoToSequenceTypeInfo, 104, OrtStatus*, (const OrtTypeInfo*, const OrtSequenceInfo**))              \
  CALL(GetMapValueType, 106, OrtStatus*, (const OrtMapInfo*, OrtTypeInfo**))                                        \
  CALL(GetSequenceElementType, 107, OrtStatus*, (const OrtSequenceInfo*, OrtTypeInfo**))                            \
  CALL(AddSessionConfigEntry, 130, OrtStatus*, (OrtSessionOptions*, const char* key, const char* value))            \
  CALL(GetResizedStringTensorElementBuffer, 252, OrtStatus*, (OrtValue*, size_t index, size_t length, char**))

// What a Cast call gives belongs to its type info and is not released.
struct Calls {
#define MK_ORT_DECLARE(name, slot, result, parameters) result(*name) parameters = nullptr;
  MK_ORT_CALLS(MK_ORT_DECLARE)
#undef MK_ORT_DECLARE
};

// The opened library with its one environment. Lives until the process ends once opened; thread-safe.
struct Library {
  Calls calls;
  OrtEnv* env = nullptr;
  OrtMemoryInfo* cpu = nullptr;
  OrtAllocator* allocator = nullptr;
  std::string version;  // "1.31.1"
};

// Where the library may be: `wanted` (a file or a folder, may be empty), $MODELKIT_ONNXRUNTIME, then engines/ and
// .venv/ beside and above the program.
std::vector<std::string> library_candidates(const std::string& wanted);

// Opens the first candidate that exists; later calls give the same library. The error names what to install.
Result<const Library*> open_library(const std::string& wanted = {});

// Turns a status into an error and frees it. `what` starts the sentence.
Result<void> check(const Calls& calls, OrtStatus* status, std::string_view what);

}  // namespace mk::dataplane::onnx
