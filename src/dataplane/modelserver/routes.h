// The V2 routes of one model server.
#pragma once
#include <string_view>

#include "base/error.h"
#include "net/http.h"

namespace mk::dataplane {

enum class Route { kServer, kLive, kReady, kModel, kModelReady, kInfer };

// The route of a request for the model `name` in `version`. Errors are kNotFound (which path, model or version) or
// kInvalidArgument (the path does not decode, or takes another method).
Result<Route> find_route(net::Method method, std::string_view path, std::string_view name, std::string_view version);

}  // namespace mk::dataplane
