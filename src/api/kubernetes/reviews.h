// "Who am I, and may I?": questions asked by a POST, answered at once, stored nowhere.
#pragma once
#include "api/route.h"

namespace mk::api::kubernetes {

net::Response review_self(const net::Request& request, const Caller& caller);  // SelfSubjectReview
net::Response review_own_access(const net::Request& request,
                                const Caller& caller);                              // SelfSubjectAccessReview
net::Response review_own_rules(const net::Request& request, const Caller& caller);  // SelfSubjectRulesReview

}  // namespace mk::api::kubernetes
