// Reads the bodies of log-metric and log-batch. These come thousands a second and hold up to a thousand
// points, so plain ones are read straight from the text; whatever is unusual goes the slow way, which finds
// the clear sentence.
#pragma once
#include <optional>
#include <string>

#include "api/mlflow/reply.h"
#include "base/error.h"
#include "modules/tracking/types.h"
#include "net/http.h"

namespace mk::api::mlflow {

Result<tracking::Batch> read_log_metric(const Arguments& arguments);
Result<tracking::Batch> read_log_batch(const Arguments& arguments);

// The body as a batch. Takes the request because the text may have to grow by what the parser reads past its
// end.
Result<tracking::Batch> read_log_metric(net::Request& request);
Result<tracking::Batch> read_log_batch(net::Request& request);

// run_id, or run_uuid as old clients call it.
Result<std::string> run_id_of(const Arguments& arguments);

}  // namespace mk::api::mlflow
