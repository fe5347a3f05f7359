// Reads request bodies of application/vnd.kubernetes.protobuf: kubectl's typed clients send nothing else and
// do not fall back to JSON. Our own small reader because libprotobuf would need a generated class for each of
// 200 messages; the table of fields is data that strategic merge patches need anyway. Replies are always
// JSON.
#pragma once
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace mk::api::kubernetes {

// The object inside a "k8s\0" envelope, as the JSON that the same client would have sent.
Result<Json> decode_protobuf(std::string_view bytes);

}  // namespace mk::api::kubernetes
