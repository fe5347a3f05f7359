// The three ways to change an object by a patch. All pure; the object is small and copied.
// Errors carry the reason "invalid_patch" (the patch makes no sense) or "unprocessable" (it does not fit this
// object).
#pragma once
#include "api/kubernetes/fields.h"
#include "base/error.h"
#include "base/json.h"

namespace mk::api::kubernetes {

// RFC 6902: a list of {"op","path",...}; all or nothing.
Result<Json> json_patch(Json target, const Json& operations);

// RFC 7396: null deletes, objects merge, everything else replaces.
Json merge_patch(Json target, const Json& patch);

// Kubernetes' own: lists whose items have a key merge by that key; directives $patch, $retainKeys,
// $setElementOrder/FIELD and $deleteFromPrimitiveList/FIELD. `message` says which lists merge.
Result<Json> strategic_patch(Json target, const Json& patch, const Message& message);

}  // namespace mk::api::kubernetes
