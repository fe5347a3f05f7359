// POST, PUT, PATCH and DELETE of objects and their status. Nothing here waits for the disk: the answer is
// sent when the store says that the write is durable. Thread-safe.
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

  // Calls this, on a worker, between a write of this resource and its answer. Before the first write.
  void on_written(std::string resource, std::function<void(const store::Key&)> call) {
    watched_ = std::move(resource);
    on_written_ = std::move(call);
  }

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

  struct Asked;

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
  Understood read_application(const Target& target, const Place& place, Asked asked,
                              const net::Request& request, const core::Identity& who);
  Understood read_remove(const Target& target, const Place& place, const net::Request& request,
                         const core::Identity& who);

  core::Objects& objects_;
  os::Executor& workers_;
  std::string watched_;
  std::function<void(const store::Key&)> on_written_;
  const std::shared_ptr<std::atomic<size_t>> waiting_ = std::make_shared<std::atomic<size_t>>(0);
};

// The body of a patch of any type but apply. Keys that come twice are told.
Result<Json> read_patch_body(std::string_view body, std::vector<std::string>& duplicates);
// A patch as its content type means it. Errors: unsupported_media_type, unknown_format, invalid_patch,
// unprocessable.
Result<Json> apply_patch(Json object, std::string_view content_type, const Json& patch,
                         const Message* message);

inline constexpr std::string_view kApplyType = "application/apply-patch+yaml";

// The query's options with the manager's name, which without fieldManager is the program's (User-Agent).
// `options_of` as in invalid_option().
Result<core::WriteOptions> write_options(const net::Request& request, const net::Query& query,
                                         const Target& target, std::string_view options_of,
                                         std::string_view subresource);
// What a patch's query must and must not say; worded as upstream does.
std::optional<net::Response> check_patch_query(const net::Query& query, bool apply);
// The body of an apply. YAML, which JSON is, too; kubectl sends JSON under this type, which is read faster as
// such.
Result<Json> read_apply(std::string_view body);

// Warning headers, as RFC 7234 writes them; bounded.
void add_warnings(net::Response& response, const std::vector<std::string>& warnings);
// Of a version that is deprecated.
void warn_of_version(net::Response& response, const Target& target);

}  // namespace mk::api::kubernetes
