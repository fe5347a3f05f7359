// POST, PUT, PATCH and DELETE of objects and their status. Nothing here waits for the disk: the answer is sent
// when the store says that the write is durable. Thread-safe.
#pragma once
#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <optional>

#include "api/kubernetes/fields.h"
#include "api/kubernetes/target.h"
#include "api/route.h"
#include "core/objects.h"
#include "os/executor.h"

namespace mk::api::kubernetes {

class Writes {
 public:
  // `workers` decide what is too large for an I/O thread, and try again what lost a race.
  Writes(core::Objects& objects, os::Executor& workers) : objects_(objects), workers_(workers) {}

  // Called on I/O threads.
  void create(const Target& target, const Place& place, net::Request request, const Caller& caller,
              net::Reply reply);
  void replace(const Target& target, const Place& place, bool status, net::Request request,
               const Caller& caller, net::Reply reply);
  void patch(const Target& target, const Place& place, bool status, net::Request request,
             const Caller& caller, net::Reply reply);
  void remove(const Target& target, const Place& place, net::Request request, const Caller& caller,
              net::Reply reply);
  void remove_collection(const Target& target, const Place& place, net::Request request, const Caller& caller,
                         net::Reply reply);

 private:
  // A request that has been understood: the write, and how to say what came of it.
  struct Ready {
    core::Write write;
    std::function<net::Response(const core::Admitted<core::Written>&)> answer;
  };
  using Understood = std::expected<Ready, net::Response>;
  using Read = std::function<Understood(const net::Request&, const core::Identity&)>;
  struct Collection;

  // Reads and performs here, or on a worker when `at` or the body is large.
  void run(const store::Key& at, Read read, net::Request request, const Caller& caller, net::Reply reply);
  void perform(const Understood& understood, const std::shared_ptr<net::Reply>& reply);
  void post(net::Reply reply, std::function<void(const std::shared_ptr<net::Reply>&)> work);
  void remove_next(const std::shared_ptr<Collection>& collection);

  Understood read_create(const Target& target, const Place& place, const net::Request& request,
                         const core::Identity& who);
  Understood read_replace(const Target& target, const Place& place, bool status, const net::Request& request,
                          const core::Identity& who);
  Understood read_patch(const Target& target, const Place& place, bool status, const net::Request& request,
                        const core::Identity& who);
  Understood read_remove(const Target& target, const Place& place, const net::Request& request,
                         const core::Identity& who);

  core::Objects& objects_;
  os::Executor& workers_;
  const std::shared_ptr<std::atomic<size_t>> waiting_ = std::make_shared<std::atomic<size_t>>(0);
};

// A patch as its content type means it. Errors: unsupported_media_type, invalid_patch, unprocessable.
Result<Json> apply_patch(Json object, std::string_view content_type, const Json& patch,
                         const Message* message);

// Warning headers, as RFC 7234 writes them; bounded.
void add_warnings(net::Response& response, const std::vector<std::string>& warnings);

}  // namespace mk::api::kubernetes
