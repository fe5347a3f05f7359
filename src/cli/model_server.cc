// modelkit model-server: serves one model; what the image modelkit/model-server stands for.
#include <cstdlib>

#include "cli/verbs.h"
#include "dataplane/modelserver/server.h"

namespace mk::cli {
namespace {

std::string environment_or(const char* name, std::string fallback) {
  const char* value = std::getenv(name);
  return value && *value ? std::string(value) : std::move(fallback);
}

Result<int> run_verb(const Arguments& arguments) {
  dataplane::ModelServerOptions options;
  options.folder = arguments.text("--folder");
  if (options.folder.empty()) return fail(Code::kInvalidArgument, "usage", "--folder is missing");
  options.name = arguments.text("--name");
  options.version = arguments.text("--model-version");
  options.address = arguments.text("--address");
  MK_TRY(const auto port, arguments.integer("--port", 0, 65535));
  options.port = static_cast<uint16_t>(port);
  options.environment = arguments.text("--environment");
  options.onnxruntime = arguments.text("--onnxruntime");
  MK_TRY(const auto threads, arguments.integer("--threads", 0, 256));
  options.threads = static_cast<int>(threads);
  MK_TRY(options.batch_rows_max, arguments.integer("--batch-rows", 1, 4096));
  MK_TRY(const auto workers, arguments.integer("--workers", 0, 64));
  options.workers_max = static_cast<int>(workers);
  MK_TRY(const auto memory, arguments.integer("--worker-memory-mib", 64, 1 << 20));
  options.worker_memory_bytes_max = static_cast<uint64_t>(memory) << 20;
  MK_TRY(const auto seconds, arguments.integer("--request-seconds", 1, 3600));
  options.run_deadline = Duration::from_seconds(seconds);
  MK_TRY(const auto load, arguments.integer("--load-seconds", 1, 3600));
  options.load_deadline = Duration::from_seconds(load);
  options.sandbox = !arguments.has("--no-sandbox");
  return dataplane::run_model_server(std::move(options));
}

}  // namespace

Verb model_server_verb() {
  return {
      .name = "model-server",
      .usage = "model-server --folder PATH [--name NAME] [--port N]",
      .what = "serve one model over the Open Inference Protocol (V2)",
      .options =
          {
              {"--folder", "PATH", "an MLflow model, an .onnx file, or a folder that holds one"},
              {"--name", "NAME", "the model's name in the routes (default: the folder's name)"},
              {"--model-version", "VERSION", "the version in the routes", "1"},
              {"--address", "ADDRESS", "where to listen ($POD_IP)", environment_or("POD_IP", "127.0.0.1")},
              {"--port", "N", "0 = any ($PORT)", environment_or("PORT", "8080")},
              {"--environment", "PATH", "the Python environment of a model in Python"},
              {"--onnxruntime", "PATH", "where ONNX Runtime is ($MODELKIT_ONNXRUNTIME)"},
              {"--threads", "N", "threads of one ONNX run; 0 = one, or up to 4 where a trial shows that a small model gains ($MODELKIT_THREADS)",
               environment_or("MODELKIT_THREADS", "0")},
              {"--batch-rows", "N", "rows that waiting requests may share a run with; 1 = never", "32"},
              {"--workers", "N", "Python processes of the model at most; 0 = one a processor, at most 4 ($MLSERVER_PARALLEL_WORKERS)",
               environment_or("MLSERVER_PARALLEL_WORKERS", "0")},
              {"--worker-memory-mib", "N", "memory bound of each of them", "4096"},
              {"--request-seconds", "N", "how long one request may take, waiting included", "60"},
              {"--load-seconds", "N", "how long a model in Python may take to load", "180"},
              {"--no-sandbox", "", "run a Python model with our own rights; only for models that you wrote"},
          },
      .run = run_verb,
      .examples = "  modelkit model-server --folder ./mlp.onnx --name mlp --port 8080\n"
                  "  curl -s localhost:8080/v2/models/mlp",
  };
}

}  // namespace mk::cli
