// Writes the status of an InferenceService: the contract that kubectl wait, the kserve SDK and the console read
// (kserve pkg/apis/serving/v1beta1/inference_service_status.go). Pure.
#pragma once
#include <string>

#include "base/json.h"
#include "base/time.h"
#include "modules/serving/plan.h"

namespace mk::serving {

// Where the service answers, from the gateway's point of view.
struct Addresses {
  std::string url;       // "http://127.0.0.1:7080/serving/default/wine"
  std::string host_url;  // "http://wine.default.localhost:7080"
};

// `old` is the present status: condition times move only when a condition's status does.
Json status_for(const Json& service, const Wanted& wanted, const Observed& seen, const Decision& decision,
                const Addresses& addresses, const Json& old, Time now);

// The status of a service whose spec cannot be read.
Json invalid_status(const Json& service, const Error& error, const Json& old, Time now);

}  // namespace mk::serving
