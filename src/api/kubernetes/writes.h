// POST, PUT, PATCH and DELETE of objects and their status. All block on the store: worker threads only.
#pragma once
#include <optional>

#include "api/kubernetes/fields.h"
#include "api/kubernetes/target.h"
#include "api/route.h"
#include "core/objects.h"

namespace mk::api::kubernetes {

class Writes {
 public:
  explicit Writes(core::Objects& objects) : objects_(objects) {}

  net::Response create(const Target& target, const Place& place, const net::Request& request,
                       const Caller& caller);
  net::Response replace(const Target& target, const Place& place, bool status, const net::Request& request,
                        const Caller& caller);
  net::Response patch(const Target& target, const Place& place, bool status, const net::Request& request,
                      const Caller& caller);
  net::Response remove(const Target& target, const Place& place, const net::Request& request,
                       const Caller& caller);
  net::Response remove_collection(const Target& target, const std::string& space, const net::Request& request,
                                  const Caller& caller);

 private:
  core::Objects& objects_;
};

// A patch as its content type means it. Errors: unsupported_media_type, invalid_patch, unprocessable.
Result<Json> apply_patch(Json object, std::string_view content_type, const Json& patch,
                         const Message* message);

// Warning headers, as RFC 7234 writes them; bounded.
void add_warnings(net::Response& response, const std::vector<std::string>& warnings);

}  // namespace mk::api::kubernetes
