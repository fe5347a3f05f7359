// Reads inference requests of the Open Inference Protocol (V2): JSON, and JSON followed by binary tensors.
//
// The hot path of serving: values go from the text straight into the tensor's memory, no tree in between.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "dataplane/engines/tensor.h"

namespace mk::dataplane::v2 {

struct RequestedOutput {
  std::string name;
  std::optional<bool> binary;  // parameters.binary_data; absent = as the request's binary_data_output says
};

struct InferRequest {
  std::string id;
  std::vector<Tensor> inputs;  // in the signature's order, unless that is open
  std::vector<RequestedOutput> outputs;  // empty = all
  bool binary_outputs = false;           // parameters.binary_data_output
};

// `body` is padded in place for the parser (its content is unchanged). `json_bytes` is the value of
// Inference-Header-Content-Length, when sent: the rest of the body is the binary data. Every error is the client's
// (kInvalidArgument) and names the input, the value or the parameter.
Result<InferRequest> parse_request(std::string& body, std::optional<size_t> json_bytes, const Signature& signature);

// Parses the header's text; an error unless it is a number no greater than `body_bytes`.
Result<std::optional<size_t>> parse_json_bytes(std::string_view header, size_t body_bytes);

}  // namespace mk::dataplane::v2
