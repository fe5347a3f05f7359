// Writes replies of the Open Inference Protocol (V2) straight into their text.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "dataplane/engines/tensor.h"
#include "dataplane/protocols/v2/request.h"

namespace mk::dataplane::v2 {

struct EncodedReply {
  std::string body;
  size_t json_bytes = 0;  // less than body.size() when binary tensors follow: then Inference-Header-Content-Length
};

// The outputs that `request` names, in its order, or all. An unknown name is the client's error (an open signature
// learns the names only now).
Result<EncodedReply> write_reply(const InferRequest& request, std::string_view model, std::string_view version,
                                 std::span<const Tensor> outputs);

std::string write_error(std::string_view message);                    // {"error":"..."}
std::string write_model_metadata(std::string_view model, std::string_view version, std::string_view platform,
                                 const Signature& signature);
std::string write_server_metadata(std::string_view version);
int http_status(Code code);

}  // namespace mk::dataplane::v2
