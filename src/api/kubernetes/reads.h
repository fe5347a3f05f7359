// GET of one object and of collections (list or watch).
#pragma once
#include "api/kubernetes/target.h"
#include "api/kubernetes/watch.h"
#include "api/route.h"
#include "core/objects.h"
#include "os/executor.h"

namespace mk::api::kubernetes {

class Reads {
 public:
  Reads(core::Objects& objects, os::Executor& executor, os::Executor& watches)
      : objects_(objects), executor_(executor), watches_(objects.store(), watches) {}

  // `part`: the subresource that was asked for; it decides the right that is needed.
  net::Response get(const Target& target, const Place& place, std::string_view part, const net::Request& request,
                    const Caller& caller) const;
  // `space` unset = all namespaces. Called on an I/O thread; long lists are written on the executor.
  void collection(const Target& target, std::optional<std::string> space, const net::Request& request,
                  const Caller& caller, net::Reply reply);

  void stop() { watches_.stop(); }

  struct Asked;  // a list request, understood

 private:
  void list(const Asked& asked, store::Listing listing, net::Reply reply) const;

  core::Objects& objects_;
  os::Executor& executor_;
  Watches watches_;
};

// How the client wants objects written: Accept and includeObject.
Result<Encoder> choose_encoder(const Target& target, const net::Request& request, const net::Query& query,
                               const os::Clock& clock);

}  // namespace mk::api::kubernetes
