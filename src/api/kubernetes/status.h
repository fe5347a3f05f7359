// metav1.Status: how every refusal, and some successes, are written for Kubernetes clients.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "core/objects.h"
#include "kinds/kind.h"
#include "net/http.h"

namespace mk::api::kubernetes {

// Which object a Status speaks of; all parts may be empty.
struct About {
  std::string_view group, plural, kind;  // of the kind
  std::string name = {}, uid = {};
};
About about(const kinds::Kind& kind, std::string_view name = {});

// HTTP status and metav1.StatusReason of an Error.
struct StatusCode {
  int http;
  std::string_view reason;
};
StatusCode status_code(const Error& error);

Json status_json(const Error& error, const About& about = {}, const std::vector<core::Cause>& causes = {});
net::Response refuse(const Error& error, const About& about = {},
                     const std::vector<core::Cause>& causes = {});
net::Response refuse(const core::Refusal& refusal, const About& about = {});
net::Response succeed(const About& about);  // {"status":"Success"} with details

// Parameters of a call are an object of Kubernetes' own, and are refused as one: 'CreateOptions.meta.k8s.io
// "" is invalid: dryRun: Unsupported value: ...'. `options` is "create", "update", "patch", "delete" or
// "list".
Failure invalid_option(std::string_view options, const core::Cause& cause);
Failure invalid_options(std::string_view options, const std::vector<core::Cause>& causes);

// Refusals that several places need.
Error not_here();              // 404: a group that there is has no such version or resource
net::Response no_such_page();  // 404 where not even the group is known: plain text, as upstream
Error unknown_format(std::string_view supported);  // 415

// For api::Route::error.
net::Response route_error(const Error& error);

}  // namespace mk::api::kubernetes
