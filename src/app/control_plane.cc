#include "app/control_plane.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "api/kubernetes/api.h"
#include "api/kubernetes/kubeconfig.h"
#include "api/console/routes.h"
#include "api/mlflow/registry_routes.h"
#include "api/mlflow/tracking_routes.h"
#include "api/router.h"
#include "app/access.h"
#include "app/engines.h"
#include "app/gateway_process.h"
#include "app/layout.h"
#include "app/routes.h"
#include "app/schemas.h"
#include "base/format.h"
#include "base/json.h"
#include "base/log.h"
#include "blob/blob.h"
#include "core/access/accounts.h"
#include "core/access/builtin_roles.h"
#include "core/bootstrap.h"
#include "core/definitions/definitions.h"
#include "core/events.h"
#include "core/garbage.h"
#include "core/namespaces.h"
#include "core/objects.h"
#include "core/retention.h"
#include "core/store_access.h"
#include "dataplane/engines/python/workers.h"
#include "modules/registry/module.h"
#include "modules/serving/controller.h"
#include "modules/serving/routes.h"
#include "modules/tracking/tracking.h"
#include "modules/scheduling/controller.h"
#include "modules/workloads/controllers.h"
#include "net/server.h"
#include "node/environments/environments.h"
#include "node/node.h"
#include "os/executor.h"
#include "os/files.h"
#include "os/processes.h"
#include "os/random.h"
#include "store/store.h"

namespace mk::app {
namespace {

constexpr size_t kWorkerThreads = 4;
constexpr Duration kStopGrace = Duration::from_seconds(5);  // for Pods when a person stops everything
constexpr size_t kWatchThreads = 1;  // watches of the API only: nothing slow runs here
constexpr size_t kControllerThreads = 2;
constexpr size_t kBuildThreads = 1;  // one environment at a time: building is heavy

// Members are built top to bottom and destroyed bottom to top: what stands lower uses what stands higher.
class Embedded final : public ControlPlane {
 public:
  explicit Embedded(const Settings& settings) : settings_(settings), layout_(settings.data) {}

  Result<void> build() {
    MK_OK(make_layout(layout_));
    MK_OK(install_engines(layout_.engines));
    // First: a second modelkit on this folder must end here, before it touches anything.
    MK_OK(os::make_folder(layout_.pki, 0700));
    MK_TRY(auto secrets, core::SecretKeys::open(layout_.secret_keys(), os::system_random()));
    MK_TRY(store_, store::open_store({.path = layout_.database, .schemas = schemas()}, secrets));
    MK_OK(start_gateway());
    workers_ = os::make_thread_pool(kWorkerThreads, "worker");
    watch_threads_ = os::make_thread_pool(kWatchThreads, "watches");
    MK_OK(build_mlflow());
    objects_ = std::make_unique<core::Objects>(*store_, os::system_clock(), os::system_random());
    MK_OK(core::make_first_objects(*objects_));
    definitions_ = std::make_unique<core::Definitions>(*objects_);
    definitions_->load();
    MK_TRY(access_, Access::open(*objects_, secrets, layout_, *workers_));
    MK_OK(check_listen());
    MK_OK(build_controllers());
    kubernetes_ = std::make_unique<api::kubernetes::Api>(
        api::kubernetes::Ports{.objects = *objects_,
                               .executor = *workers_,
                               .watches = *watch_threads_,
                               .pods = &node_->pod_io(),
                               .definitions = definitions_.get(),
                               .authoriser = &access_->authoriser,
                               .authenticator = &access_->authenticator,
                               .service_tokens = &access_->service_tokens});
    MK_OK(listen());
    MK_OK(join_gateway());
    MK_OK(build_serving());
    host_->start();
    node_->begin(*host_);
    retention_->start();
    return publish_endpoints();
  }

  // A start that failed leaves nothing running that it started.
  void undo() {
    if (gateway_) gateway_->undo_start();
  }

  const Endpoints& endpoints() const override { return endpoints_; }

  void stop(bool workloads) override {
    if (workloads && gateway_) gateway_->stop();
    kubernetes_->stop();
    for (auto* server : {&local_server_, &server_}) {
      if (*server) (*server)->drain(Duration::from_seconds(5));
      server->reset();
    }
    host_->stop();
    if (workloads) node_->stop_everything(kStopGrace);
  }

 private:
  Result<void> build_mlflow() {
    MK_TRY(blobs_, blob::open_local(layout_.blobs));
    MK_TRY(tracking_, tracking::Tracking::open({.store = *store_,
                                                .executor = *workers_,
                                                .clock = os::system_clock(),
                                                .random = os::system_random(),
                                                .record_model_metrics = registry::model_metric_recorder()}));
    registry_ = std::make_unique<registry::Module>(*store_, *blobs_, tracking_->directory(), settings_.model_files);
    return {};
  }

  std::vector<api::Route> mlflow_routes() {
    std::vector<api::Route> routes = api::mlflow::tracking_routes(*tracking_);
    auto add = [&](std::vector<api::Route> more) { std::move(more.begin(), more.end(), std::back_inserter(routes)); };
    add(api::mlflow::registered_model_routes(registry_->registry));
    add(api::mlflow::model_version_routes(registry_->registry));
    add(api::mlflow::logged_model_routes(registry_->logged));
    add(api::mlflow::artifact_routes(registry_->artifacts, *workers_));
    // MLflow knows no namespaces: all it holds is in this one, so that a role there, or everywhere, gives access.
    for (api::Route& route : routes) route.scope.fixed_space = "default";
    return routes;
  }

  Result<void> build_controllers() {
    controller_threads_ = os::make_thread_pool(kControllerThreads, "controllers");
    events_ = std::make_unique<core::EventRecorder>(*objects_, "modelkit");
    reader_ = std::make_unique<core::StoreReader>(*store_);
    writer_ = std::make_unique<core::StoreWriter>(*objects_, *events_, "controllers");
    host_ = std::make_unique<core::ControllerHost>(*store_, *reader_, *writer_, *controller_threads_);
    retention_ = std::make_unique<core::Retention>(*objects_, *controller_threads_);
    host_->add(core::garbage_collector(*objects_));
    host_->add(definitions_->controller());
    definitions_->on_served([this](const std::string& resource) { host_->watch_also(resource); });
    host_->add(core::namespace_controller(*objects_));
    host_->add(core::role_aggregation_controller());
    host_->add(core::default_account_controller());
    for (core::Controller& controller : workloads::make_controllers()) host_->add(std::move(controller));
    host_->add(scheduling::make_controller());
    MK_TRY(node_, node::Node::open({.data = layout_.root,
                                    .pods = layout_.pods,
                                    .binaries = layout_.binaries,
                                    .visible = {layout_.environments, layout_.engines},
                                    .access = pod_access_},
                                   *reader_));
    for (core::Controller& controller : node_->controllers()) host_->add(std::move(controller));
    return node_->adopt(*host_);
  }

  Result<void> build_serving() {
    MK_TRY(auto routes, serving::Routes::open(layout_.gateway));
    serving_routes_ = std::make_unique<serving::Routes>(std::move(routes));
    std::vector<std::string> services;
    for (const auto& service : reader_->list({std::string(serving::kServices), {}}))
      services.push_back(service->key.space + "/" + service->key.name);
    MK_OK(serving_routes_->retain(services));
    build_threads_ = os::make_thread_pool(kBuildThreads, "environments");
    environments_ = node::make_environments({.environments = layout_.environments,
                                             .trial = dataplane::python::try_model,
                                             .executor = build_threads_.get()});
    host_->add(serving::make_controller({registry_->resolver, *environments_, *serving_routes_, endpoints_.data, layout_.engines,
                                       [this](const std::string& service) { return serving_routes_->behind(service); },
                                       [this](const std::string& service) { return serving_routes_->leaving(service); }}));
    environments_->on_change([this] { wake_services(); });
    registry_->resolver.on_change([this] { wake_services(); });
    return {};
  }

  // Something that services stand on has changed outside the store of objects.
  void wake_services() {
    for (const auto& service : reader_->list({std::string(serving::kServices), {}}))
      host_->wake(serving::kControllerName, service->key);
  }

  // Other machines are let in only where somebody could show who they are.
  Result<void> check_listen() const {
    if (is_loopback_address(settings_.listen) || !access_->directory.empty()) return {};
    return fail(unsafe_listen(settings_.listen));
  }

  Result<void> listen() {
    const std::vector<std::string> names = server_names(settings_.listen, settings_.hosts);
    std::vector<std::string> hosts = settings_.hosts;
    if (!is_loopback_address(settings_.listen)) hosts.insert(hosts.end(), names.begin(), names.end());
    std::vector<api::Route> routes = health_routes(*store_);
    for (api::Route& route : kubernetes_->routes()) routes.push_back(std::move(route));
    for (api::Route& route : api::console::routes()) routes.push_back(std::move(route));
    for (api::Route& route : mlflow_routes()) routes.push_back(std::move(route));
    for (api::Route& route : access_->routes(*store_)) routes.push_back(std::move(route));
    routes.push_back(route_list(routes));
    MK_TRY(auto router, api::Router::make(std::move(routes), {.owner_uid = geteuid(),
                                                                .hosts = std::move(hosts),
                                                                .authenticator = &access_->authenticator,
                                                                .authoriser = &access_->authoriser,
                                                                .audit = access_->audit.get(),
                                                                .clock = &os::system_clock()},
                                             *workers_));
    router_ = std::make_unique<api::Router>(std::move(router));
    auto dispatch = [this](net::Request& request) { return router_->dispatch(request); };
    net::ServerOptions options{.address = settings_.listen,
                               .port = settings_.port,
                               .threads = 2,
                               .find_peer_uid = true,
                               .reply_headers = api::security_headers()};
    MK_TRY(options.tls, access_->server_tls(names));
    MK_TRY(server_, net::serve(options, dispatch));
    // Programs of this machine come over loopback, where the kernel can say whose socket it is.
    if (!is_loopback_address(loopback())) {
      options.address = "127.0.0.1";
      options.port = server_->port();
      MK_TRY(local_server_, net::serve(options, dispatch));
    }
    const std::string here = local_server_ ? options.address : loopback();
    endpoints_.http = url_of("http", here, server_->port());
    endpoints_.https = url_of("https", here, server_->port());
    *pod_access_ = {&access_->service_tokens, access_->pki.ca_pem(), here, server_->port()};
    return {};
  }

  // Where this machine itself reaches us when we listen on more than loopback.
  std::string loopback() const {
    if (settings_.listen == "0.0.0.0") return "127.0.0.1";
    return settings_.listen == "::" ? "::1" : settings_.listen;
  }
  // Predictions are asked for without a token, so only from this machine.
  std::string data_address() const { return is_loopback_address(settings_.listen) ? settings_.listen : "127.0.0.1"; }

  // It comes up beside us: only at the end is it waited for.
  Result<void> start_gateway() {
    if (!settings_.gateway) return {};
    gateway_threads_ = os::make_thread_pool(1, "gateway-watch");
    MK_TRY(const std::string shim, os::install_shim(layout_.binaries));
    gateway_processes_ = os::make_shim_processes({.shim = shim});
    GatewayWish wish{.folder = layout_.gateway,
                     .program = std::filesystem::read_symlink("/proc/self/exe").string(),
                     .address = data_address(),
                     .port = settings_.data_port};
    gateway_ = std::make_unique<GatewayProcess>(std::move(wish), *gateway_processes_, *gateway_threads_);
    return gateway_->start();
  }

  Result<void> join_gateway() {
    if (!gateway_) return {};
    MK_TRY(const uint16_t port, gateway_->wait_ready(Duration::from_seconds(10)));
    endpoints_.data = url_of("http", data_address(), port);
    return {};
  }

  Result<void> publish_endpoints() {
    const Json text = Json::object({{"http", endpoints_.http},
                                    {"https", endpoints_.https},
                                    {"data", endpoints_.data.empty() ? Json() : Json(endpoints_.data)},
                                    {"grpc", Json()}});
    MK_TRY(const core::Pki::Pair owner, access_->pki.owner());
    MK_OK(os::write_file(layout_.kubeconfig,
                         api::kubernetes::kubeconfig({.server = endpoints_.https,
                                                      .ca_pem = access_->pki.ca_pem(),
                                                      .user = "owner",
                                                      .certificate_pem = owner.certificate_pem,
                                                      .key_pem = owner.key_pem}),
                         0600));
    return os::write_file(layout_.endpoints, text.dump() + "\n", 0644);
  }

  Settings settings_;
  Layout layout_;
  Endpoints endpoints_;
  std::unique_ptr<os::Executor> gateway_threads_;
  std::unique_ptr<os::Processes> gateway_processes_;  // its own: on_exit has one listener
  std::unique_ptr<GatewayProcess> gateway_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<os::Executor> workers_, watch_threads_;
  std::unique_ptr<blob::Blobs> blobs_;
  std::unique_ptr<tracking::Tracking> tracking_;
  std::unique_ptr<registry::Module> registry_;
  std::unique_ptr<core::Objects> objects_;
  std::unique_ptr<core::Definitions> definitions_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<os::Executor> controller_threads_;
  std::unique_ptr<core::EventRecorder> events_;
  std::unique_ptr<core::StoreReader> reader_;
  std::unique_ptr<core::StoreWriter> writer_;
  std::unique_ptr<serving::Routes> serving_routes_;
  std::unique_ptr<os::Executor> build_threads_;
  std::unique_ptr<core::Environments> environments_;
  const std::shared_ptr<node::AccountAccess> pod_access_ = std::make_shared<node::AccountAccess>();
  std::unique_ptr<core::ControllerHost> host_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<core::Retention> retention_;
  std::unique_ptr<api::kubernetes::Api> kubernetes_;
  std::unique_ptr<api::Router> router_;
  std::unique_ptr<net::Server> server_, local_server_;
};

}  // namespace

Result<std::unique_ptr<ControlPlane>> ControlPlane::start(const Settings& settings) {
  auto plane = std::make_unique<Embedded>(settings);
  if (auto built = plane->build(); !built) {
    plane->undo();
    return fail(std::move(built).error());
  }
  return plane;
}

}  // namespace mk::app
