#include "dataplane/modelserver/server.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>

#include "base/format.h"
#include "base/log.h"
#include "dataplane/engines/onnx/session.h"
#include "dataplane/engines/onnx/trial.h"
#include "dataplane/engines/python/limits.h"
#include "dataplane/engines/python/workers.h"
#include "dataplane/modelserver/batcher.h"
#include "dataplane/modelserver/limits.h"
#include "dataplane/modelserver/model_folder.h"
#include "dataplane/modelserver/routes.h"
#include "dataplane/protocols/v2/reply.h"
#include "dataplane/protocols/v2/request.h"
#include "net/io.h"
#include "net/server.h"
#include "os/executor.h"

namespace mk::dataplane {
namespace {

net::Response error_reply(const Error& error) {
  return net::Response::json(v2::write_error(error.sentence()), v2::http_status(error.code));
}

net::Response encode(const v2::InferRequest& request, const ModelServerOptions& options,
                     const Result<std::vector<Tensor>>& outputs) {
  if (!outputs) return error_reply(outputs.error());
  auto reply = v2::write_reply(request, options.name, options.version, *outputs);
  if (!reply) return error_reply(reply.error());
  if (reply->json_bytes == reply->body.size()) return net::Response::json(std::move(reply->body));
  net::Response response{200, {{"Content-Type", "application/octet-stream"}}, std::move(reply->body)};
  response.headers.add("Inference-Header-Content-Length", fmt::format("{}", reply->json_bytes));
  return response;
}

int64_t processors() {
  return std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
}

// As many runs at once as fill the processor.
size_t runners_for(int64_t threads_a_run) {
  return static_cast<size_t>(std::max<int64_t>(1, processors() / threads_a_run));
}

// A loaded model and what brings requests to it.
struct Served {
  std::unique_ptr<Engine> engine;
  std::unique_ptr<os::Executor> pool;  // null when the I/O threads run the model
  std::unique_ptr<Batcher> batcher;
};

class Server final : public ModelServer {
 public:
  explicit Server(ModelServerOptions options) : options_(std::move(options)), io_(std::make_shared<net::Io>(1, "http")) {}

  ~Server() override {
    server_.reset();
    io_->stop();
    if (served_owner_.pool) served_owner_.pool.reset();
  }

  Result<void> listen() {
    net::ServerOptions options;
    options.address = options_.address;
    options.port = options_.port;
    options.io = io_;
    options.limits.connections_max = kConnectionsMax;
    MK_TRY(server_, net::serve(std::move(options), [this](net::Request& request) { return dispatch(request); }));
    return {};
  }

  uint16_t port() const override { return server_->port(); }
  void drain(Duration deadline) override { server_->drain(deadline); }

  Result<void> load() override {
    MK_TRY(const ModelFolder model, inspect_model(options_.folder));
    MK_TRY(served_owner_.engine, load_engine(model));
    Engine& engine = *served_owner_.engine;
    const bool python = model.format != ModelFormat::kOnnx;
    Batcher::Options batching{.rows_max = options_.batch_rows_max, .deadline = options_.run_deadline};
    if (!python && is_quick(onnx::time_one_row(engine))) {
      batching.runners = io_->size();
      batching.post = [io = io_.get()](os::Task task) { io->post(std::move(task)); };
    } else {
      batching.runners = python ? static_cast<size_t>(workers_max()) : runners_for(std::max(1, options_.threads));
      served_owner_.pool = os::make_thread_pool(batching.runners, "runner");
      batching.post = [pool = served_owner_.pool.get()](os::Task task) { pool->post(std::move(task)); };
    }
    served_owner_.batcher = std::make_unique<Batcher>(engine, std::move(batching));
    served_.store(&served_owner_, std::memory_order_release);
    return {};
  }

 private:
  Result<std::unique_ptr<Engine>> load_engine(const ModelFolder& model) {
    if (model.format == ModelFormat::kOnnx) return load_onnx(model.file);
    python::WorkerOptions options;
    options.environment = options_.environment;
    options.folder = model.folder;
    options.file = model.file;
    options.loader = model.format == ModelFormat::kPyfunc ? "pyfunc" : "sklearn";
    options.processes_max = workers_max();
    options.sandboxed = options_.sandbox;
    options.memory_bytes_max = options_.worker_memory_bytes_max;
    options.load_deadline = options_.load_deadline;
    return python::start_workers(std::move(options));
  }

  // A small model has little to compute and much to read: its weights, at every request. Two processors read them twice as
  // fast, if the second is awake. Whether that pays is tried out, unless somebody said how many threads there shall be.
  Result<std::unique_ptr<Engine>> load_onnx(const std::string& file) const {
    onnx::SessionOptions options;
    options.threads = std::max(1, options_.threads);
    options.library = options_.onnxruntime;
    options.try_batching = options_.batch_rows_max > 1;
    MK_TRY(auto engine, onnx::load_session(file, options));
    const auto alone = onnx::time_one_row(*engine);
    options.threads = static_cast<int>(options_.threads > 0 ? options_.threads : std::min(processors(), kQuickThreadsMax));
    options.awake = kThreadsAwake;
    if (options.threads == 1 || !is_quick(alone) || *alone < kThreadsPay) return engine;
    MK_TRY(auto divided, onnx::load_session(file, options));
    const Duration wanted{alone->nanoseconds / 5 * 4};
    const auto together = onnx::time_one_row(*divided, wanted);
    return together && *together <= wanted ? std::move(divided) : std::move(engine);
  }

  int workers_max() const {
    if (options_.workers_max > 0) return std::min(options_.workers_max, python::kProcessesMax);
    return static_cast<int>(std::min<size_t>(runners_for(1), python::kProcessesUnasked));
  }

  // Models that answer within a millisecond run on the I/O thread itself: handing over costs as much as they do.
  static bool is_quick(std::optional<Duration> took) { return took && *took <= kQuickRun; }

  net::Decision dispatch(const net::Request& request) {
    net::Decision decision;
    decision.error = error_reply;
    const auto route = find_route(request.method, request.path(), options_.name, options_.version);
    if (!route) {
      decision.refuse = error_reply(route.error());
      return decision;
    }
    if (*route == Route::kInfer) {
      decision.body_bytes_max = kInferBodyBytesMax;
      decision.whole = [this](net::Request r, net::Reply reply) { infer(std::move(r), std::move(reply)); };
      return decision;
    }
    decision.body_bytes_max = kOtherBodyBytesMax;
    decision.whole = [this, route = *route](net::Request, net::Reply reply) { reply.send(answer(route)); };
    return decision;
  }

  Result<Served*> loaded() const {
    Served* served = served_.load(std::memory_order_acquire);
    if (!served)
      return fail(Code::kUnavailable, "loading", fmt::format("model \"{}\" is still loading", options_.name));
    return served;
  }
  // Null error when the model can be asked now.
  Result<void> ready() const {
    MK_TRY(const Served* served, loaded());
    return served->engine->ready();
  }

  net::Response answer(Route route) const {
    switch (route) {
      case Route::kServer: return net::Response::json(v2::write_server_metadata(MODELKIT_VERSION));
      case Route::kLive: return net::Response::json("{\"live\":true}");
      case Route::kReady:
      case Route::kModelReady: {
        const auto can = ready();
        if (!can) return error_reply(can.error());
        return net::Response::json(route == Route::kReady
                                       ? "{\"ready\":true}"
                                       : "{\"name\":" + quoted(options_.name) + ",\"ready\":true}");
      }
      case Route::kModel: {
        const auto served = loaded();
        if (!served) return error_reply(served.error());
        return net::Response::json(v2::write_model_metadata(options_.name, options_.version, (*served)->engine->platform(),
                                                            (*served)->engine->signature()));
      }
      case Route::kInfer: break;
    }
    return error_reply({Code::kNotFound, "no_route", "no such route"});
  }

  static std::string quoted(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
  }

  void infer(net::Request request, net::Reply reply) {
    // Not ready(): a request waits for a worker that starts again.
    auto served = loaded();
    if (!served) return reply.send(error_reply(served.error()));
    auto parsed = parse(request, (*served)->engine->signature());
    if (!parsed) return reply.send(error_reply(parsed.error()));
    Job job;
    job.inputs = std::move(parsed->inputs);
    job.done = [this, asked = std::move(*parsed), reply = std::move(reply)](Result<std::vector<Tensor>> outputs) mutable {
      reply.send(encode(asked, options_, outputs));
    };
    (*served)->batcher->submit(std::move(job));
  }

  static Result<v2::InferRequest> parse(net::Request& request, const Signature& signature) {
    const auto encoding = request.headers.get("Content-Encoding");
    if (!encoding.empty() && encoding != "identity")
      return invalid(fmt::format("Content-Encoding {} is not supported; send the body as it is", encoding.substr(0, 32)));
    MK_TRY(const auto json_bytes,
           v2::parse_json_bytes(request.headers.get("Inference-Header-Content-Length"), request.body.size()));
    return v2::parse_request(request.body, json_bytes, signature);
  }

  const ModelServerOptions options_;
  std::shared_ptr<net::Io> io_;
  Served served_owner_;
  std::atomic<Served*> served_ = nullptr;
  std::unique_ptr<net::Server> server_;
};

}  // namespace

Result<std::unique_ptr<ModelServer>> start_model_server(ModelServerOptions options) {
  if (options.name.empty()) {
    const auto path = std::filesystem::path(options.folder).lexically_normal();
    options.name = path.has_filename() ? path.stem() : path.parent_path().filename();
  }
  auto server = std::make_unique<Server>(std::move(options));
  MK_OK(server->listen());
  return server;
}

Result<int> run_model_server(ModelServerOptions options) {
  // Before any thread starts, so that all of them leave the signals to sigwait below.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const std::string folder = options.folder;
  MK_TRY(auto server, start_model_server(std::move(options)));
  log::info("model server listens", {{"port", int64_t{server->port()}}});
  std::optional<Error> failed;
  std::atomic<bool> loaded = false;
  auto loader = os::make_thread_pool(1, "loader");
  loader->post([&] {
    if (auto done = server->load(); !done) {
      failed = std::move(done).error();
      ::kill(::getpid(), SIGTERM);
      return;
    }
    loaded = true;
    log::info("model is ready", {{"folder", folder}});
  });
  int signal_number = 0;
  sigwait(&stop, &signal_number);
  if (failed) {
    failed->message = "the model does not load: " + failed->message;
    return fail(std::move(*failed));
  }
  if (!loaded) _exit(0);  // a worker that is still starting dies with us
  log::info("model server drains");
  server->drain(kDrainDeadline);
  return 0;
}

}  // namespace mk::dataplane
