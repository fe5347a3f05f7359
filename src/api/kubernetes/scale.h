// The scale subresource: an autoscaling/v1 Scale in place of the whole object.
#pragma once
#include "api/kubernetes/target.h"
#include "api/route.h"
#include "core/objects.h"

namespace mk::api::kubernetes {

// The Scale of an object, with the replicas and the selector where its kind has them.
Json scale_of(const kinds::Kind& kind, const Json& object);

class Scales {
 public:
  explicit Scales(core::Objects& objects) : objects_(objects) {}
  net::Response get(const Target& target, const Place& place, const net::Request& request,
                    const Caller& caller) const;
  net::Response replace(const Target& target, const Place& place, const net::Request& request,
                        const Caller& caller);
  net::Response patch(const Target& target, const Place& place, const net::Request& request,
                      const Caller& caller);

 private:
  net::Response apply(const Target& target, const Place& place, const net::Request& request,
                      const Caller& caller);
  net::Response change(const Target& target, const Place& place, const net::Request& request,
                       const Caller& caller, const std::function<Result<Json>(Json)>& edit);
  core::Objects& objects_;
};

}  // namespace mk::api::kubernetes
