// What runs a model: loaded once, then asked for outputs. One implementation a runtime.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "dataplane/engines/tensor.h"

namespace mk::dataplane {

class Engine {
 public:
  virtual ~Engine() = default;

  virtual const Signature& signature() const = 0;
  virtual std::string_view platform() const = 0;  // as V2 metadata shows it, e.g. "onnx_onnxv1"

  // Computes all outputs of one request. Blocks; may be called from several threads at once. `inputs` are in the
  // order of signature().inputs, or as the client sent them when the signature is open.
  // Errors: kInvalidArgument = the client's data; kUnavailable = not now (restarting); kDeadlineExceeded.
  virtual Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs, Duration deadline) = 0;

  // True when requests may be joined along the first dimension without changing their results.
  virtual bool batches() const { return false; }
  // Null error while requests can be served; otherwise why not, for readiness and for replies.
  virtual Result<void> ready() const { return {}; }
};

}  // namespace mk::dataplane
