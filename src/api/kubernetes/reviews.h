// "Who am I, who is that, and may they?": questions asked by a POST, answered at once, stored nowhere.
#pragma once
#include <span>
#include <string_view>

#include "api/kubernetes/api.h"
#include "api/route.h"

namespace mk::api::kubernetes {

struct Review {
  std::string_view path;
  std::string_view resource, subresource;  // what a caller needs the right to create
  net::Response (*answer)(const Ports& ports, const net::Request& request, const Caller& caller);
};

// SelfSubjectReview, TokenReview and the four reviews of access.
std::span<const Review> reviews();

}  // namespace mk::api::kubernetes
