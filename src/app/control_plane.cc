#include "app/control_plane.h"

#include <sys/stat.h>
#include <unistd.h>

#include "api/kubernetes/api.h"
#include "api/kubernetes/kubeconfig.h"
#include "api/console/routes.h"
#include "api/router.h"
#include "app/layout.h"
#include "app/routes.h"
#include "base/format.h"
#include "base/json.h"
#include "base/log.h"
#include "core/bootstrap.h"
#include "core/objects.h"
#include "net/server.h"
#include "os/executor.h"
#include "os/files.h"
#include "os/random.h"
#include "store/store.h"

namespace mk::app {
namespace {

constexpr size_t kWorkerThreads = 4;

// Members are built top to bottom and destroyed bottom to top: what stands lower uses what stands higher.
class Embedded final : public ControlPlane {
 public:
  explicit Embedded(const Settings& settings) : settings_(settings), layout_(settings.data) {}

  Result<void> build() {
    MK_OK(make_layout(layout_));
    MK_TRY(store_, store::open_store({.path = layout_.database, .schemas = schemas()}));
    workers_ = os::make_thread_pool(kWorkerThreads, "worker");
    objects_ = std::make_unique<core::Objects>(*store_, os::system_clock(), os::system_random());
    MK_OK(core::make_first_objects(*objects_));
    kubernetes_ = std::make_unique<api::kubernetes::Api>(api::kubernetes::Ports{*objects_, *workers_});
    MK_OK(listen());
    return publish_endpoints();
  }

  const Endpoints& endpoints() const override { return endpoints_; }

  void stop(bool) override {
    if (server_) server_->drain(Duration::from_seconds(5));
    server_.reset();
  }

 private:
  static std::vector<store::Schema> schemas() { return {}; }

  Result<void> listen() {
    std::vector<api::Route> routes = health_routes();
    for (api::Route& route : kubernetes_->routes()) routes.push_back(std::move(route));
    for (api::Route& route : api::console::routes()) routes.push_back(std::move(route));
    MK_TRY(auto router, api::Router::make(std::move(routes), {.owner_uid = geteuid()}, *workers_));
    router_ = std::make_unique<api::Router>(std::move(router));
    auto dispatch = [this](net::Request& request) { return router_->dispatch(request); };
    MK_TRY(server_, net::serve({.address = settings_.listen, .port = settings_.port, .threads = 2, .find_peer_uid = true}, dispatch));
    endpoints_.http = fmt::format("http://{}:{}", settings_.listen, server_->port());
    return {};
  }

  Result<void> publish_endpoints() {
    const Json text = Json::object({{"http", endpoints_.http},
                                    {"data", endpoints_.data.empty() ? Json() : Json(endpoints_.data)},
                                    {"grpc", Json()}});
    MK_OK(os::write_file(layout_.kubeconfig, api::kubernetes::kubeconfig(endpoints_.http), 0600));
    return os::write_file(layout_.endpoints, text.dump() + "\n", 0644);
  }

  Settings settings_;
  Layout layout_;
  Endpoints endpoints_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<os::Executor> workers_;
  std::unique_ptr<core::Objects> objects_;
  std::unique_ptr<api::kubernetes::Api> kubernetes_;
  std::unique_ptr<api::Router> router_;
  std::unique_ptr<net::Server> server_;
};

}  // namespace

Result<std::unique_ptr<ControlPlane>> ControlPlane::start(const Settings& settings) {
  auto plane = std::make_unique<Embedded>(settings);
  MK_OK(plane->build());
  return plane;
}

}  // namespace mk::app
