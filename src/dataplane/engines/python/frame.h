// The frames between the model server and a Python worker: see runtimes/python/worker.py. What comes from the worker
// is checked like a stranger's: its code is not ours.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "dataplane/engines/tensor.h"

namespace mk::dataplane::python {

inline constexpr size_t kHeadBytesMax = 1u << 20;
inline constexpr size_t kRestBytesMax = 512u << 20;

// The reason of an answer that is not what the worker should send.
inline constexpr const char* kMalformed = "worker_malformed";

struct Frame {
  Json head;
  std::string rest;
};

// Both block until done or `deadline` (monotonic) has passed: kDeadlineExceeded. The peer's end is kUnavailable.
Result<void> write_frame(int fd, const Json& head, std::span<const std::string_view> rest, Duration deadline);
Result<Frame> read_frame(int fd, Duration deadline);

// {"name","datatype","shape","bytes"} of each tensor, and their bytes in order.
Json describe(const std::vector<Tensor>& tensors, std::vector<std::string>& packed_texts,
              std::vector<std::string_view>& chunks);
Result<std::vector<Tensor>> parse_tensors(const Json& specs, std::string_view bytes);
// "inputs" or "outputs" of the worker's first frame; what is malformed is left out.
std::vector<TensorSpec> parse_specs(const Json& specs);

}  // namespace mk::dataplane::python
