#include "api/kubernetes/logs.h"

#include <algorithm>
#include <condition_variable>

#include "api/kubernetes/limits.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/status.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

const net::Response kHead{200, {{"Content-Type", "text/plain"}, {"Cache-Control", "no-cache, private"}}, {}};

Result<void> check_container(core::PodIo::LogOptions& options, const Json& pod) {
  const std::string_view name = pod.at({"metadata", "name"}).text();
  std::string all;
  size_t count = 0;
  for (const char* list : {"initContainers", "containers"}) {
    for (const Json& container : pod.at({"spec", list}).items()) {
      if (container["name"].text() == options.container && !options.container.empty()) return {};
      all += (all.empty() ? "" : " ") + std::string(container["name"].text());
      ++count;
    }
  }
  if (!options.container.empty())
    return invalid(fmt::format("container {} is not valid for pod {}", options.container, name));
  const Json& containers = pod.at({"spec", "containers"});
  if (count > 1)
    return invalid(
        fmt::format("a container name must be specified for pod {}, choose one of: [{}]", name, all));
  options.container = containers[0]["name"].text();
  return {};
}

// Between the thread that reads the log and the connection that takes it. Shared with the stream's callbacks.
struct Gate {
  std::mutex mutex;
  std::condition_variable moved;
  bool closed = false;
  bool drained = false;
};

// Waits until the client has read most of what waits for it. False when it is gone.
bool wait_for_room(net::Stream& stream, const std::shared_ptr<Gate>& gate,
                   const std::atomic<bool>& stopping) {
  while (stream.queued_bytes() > kLogQueuedBytesMax) {
    {
      const std::lock_guard lock(gate->mutex);
      if (gate->closed || stopping) return false;
      gate->drained = false;
    }
    stream.on_drained([gate] {
      const std::lock_guard lock(gate->mutex);
      gate->drained = true;
      gate->moved.notify_all();
    });
    std::unique_lock lock(gate->mutex);
    gate->moved.wait(lock, [&] { return gate->drained || gate->closed; });
  }
  const std::lock_guard lock(gate->mutex);
  return !gate->closed;
}

}  // namespace

struct PodLogs::State {
  std::atomic<size_t> readers = 0;
  std::atomic<bool> stopping = false;
};

PodLogs::PodLogs(core::Objects& objects, core::PodIo* pods)
    : objects_(objects), pods_(pods), state_(std::make_shared<State>()) {}
PodLogs::~PodLogs() {
  stop();
}

void PodLogs::stop() {
  state_->stopping = true;
}

Result<core::PodIo::LogOptions> parse_log_query(const net::Query& query, const Json& pod, Time now) {
  core::PodIo::LogOptions out;
  out.container = query.get("container");
  MK_TRY(out.follow, query_boolean(query, "follow"));
  MK_TRY(out.previous, query_boolean(query, "previous"));
  MK_TRY(out.timestamps, query_boolean(query, "timestamps"));
  MK_TRY(out.tail_lines, query_integer(query, "tailLines"));
  MK_TRY(out.since_seconds, query_integer(query, "sinceSeconds"));
  MK_TRY(out.limit_bytes, query_integer(query, "limitBytes"));
  if (out.tail_lines.value_or(0) < 0) return invalid("tailLines must be at least 0");
  if (out.since_seconds.value_or(1) < 1) return invalid("sinceSeconds must be at least 1");
  if (out.limit_bytes.value_or(1) < 1) return invalid("limitBytes must be at least 1");
  if (const std::string_view since = query.get("sinceTime"); !since.empty()) {
    if (out.since_seconds) return invalid("at most one of sinceTime and sinceSeconds may be given");
    MK_TRY(const Time at, Time::parse_rfc3339(since));
    out.since_seconds = std::max<int64_t>(1, (now - at).ms() / 1000);
  }
  MK_OK(check_container(out, pod));
  return out;
}

void PodLogs::answer(const Target& target, const Place& place, const net::Request& request,
                     const Caller& caller, net::Reply reply) {
  const About pod_about = about(*target.kind, place.name);
  const auto found = objects_.read(caller.identity, *target.kind, place.key(target), "log");
  if (!found) return reply.send(refuse(found.error(), pod_about));
  const store::ObjectRef& pod = *found;
  if (!pods_)
    return reply.send(refuse(
        Error{Code::kUnavailable, "no_node", "this server runs no Pods, so it has no logs"}, pod_about));
  const auto query = query_of(request);
  if (!query) return reply.send(refuse(query.error(), pod_about));
  auto options = parse_log_query(*query, pod->json(), objects_.clock().now());
  if (!options) return reply.send(refuse(options.error(), pod_about));
  if (pod->json().at({"spec", "nodeName"}).text().empty())  // nothing runs it yet: no log, and no mistake
    return reply.send(net::Response{204, {}, {}});
  if (state_->readers.fetch_add(1) >= kLogReadersMax) {
    --state_->readers;
    return reply.send(refuse(Error{Code::kResourceExhausted, "too_many_log_readers",
                                   fmt::format("{} logs are being read, which is the most", kLogReadersMax)},
                             pod_about));
  }
  const std::lock_guard lock(mutex_);
  if (!pool_) pool_ = os::make_thread_pool(kLogReadersMax, "pod-logs");
  pool_->post([pods = pods_, state = state_, key = pod->key, options = std::move(*options),
               later = std::make_shared<net::Reply>(std::move(reply))] {
    struct Leave {
      State& state;
      ~Leave() { --state.readers; }
    } leave{*state};
    // A log that cannot be read is a Status, so that is found out before the reply's head is sent.
    core::PodIo::LogOptions probe = options;
    probe.follow = false;
    probe.tail_lines = 0;
    if (const auto readable = pods->logs(
            key, probe, [](std::string_view) { return true; }, [] { return false; });
        !readable)
      return later->send(refuse(readable.error(), {.plural = "pods", .name = key.name}));
    const auto gate = std::make_shared<Gate>();
    net::Stream stream = later->stream(kHead);
    stream.on_closed([gate] {
      const std::lock_guard closing(gate->mutex);
      gate->closed = gate->drained = true;
      gate->moved.notify_all();
    });
    const auto sink = [&](std::string_view chunk) {
      return stream.write(chunk) && wait_for_room(stream, gate, state->stopping);
    };
    const auto stopped = [&] {
      const std::lock_guard asking(gate->mutex);
      return gate->closed || state->stopping.load();
    };
    if (const auto read = pods->logs(key, options, sink, stopped); !read)
      stream.write(read.error().sentence() + "\n");
    stream.finish();
  });
}

}  // namespace mk::api::kubernetes
