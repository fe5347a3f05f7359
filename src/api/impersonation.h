// Whom a request speaks for instead of its caller: Impersonate-User and, beside it, Impersonate-Group,
// Impersonate-Uid and Impersonate-Extra-KEY (kubectl --as, --as-group, --as-uid, --as-user-extra). Pure.
#pragma once
#include <functional>
#include <optional>

#include "base/error.h"
#include "core/access.h"
#include "net/http.h"

namespace mk::api {

// Unset: nobody else. The caller needs the right to impersonate each part, as in Kubernetes: users, groups or
// serviceaccounts; uids.authentication.k8s.io; userextras.authentication.k8s.io/KEY by its values. `may`
// answers for them.
Result<std::optional<core::Identity>> impersonated(const net::Headers& headers, const core::Identity& caller,
                                                   const std::function<bool(const core::Ask&)>& may);

}  // namespace mk::api
