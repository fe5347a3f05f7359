// modelkit gateway: carries predictions to model servers; started and watched over by `modelkit up`.
#include "dataplane/gateway/gateway.h"

#include "cli/verbs.h"

namespace mk::cli {
namespace {

Result<int> run_verb(const Arguments& arguments) {
  gateway::GatewayOptions options;
  options.folder = arguments.text("--folder");
  if (options.folder.empty()) return fail(Code::kInvalidArgument, "usage", "--folder is missing");
  options.address = arguments.text("--address");
  MK_TRY(const auto port, arguments.integer("--port", 0, 65535));
  options.port = static_cast<uint16_t>(port);
  MK_TRY(const auto threads, arguments.integer("--threads", 1, 256));
  options.threads = static_cast<size_t>(threads);
  options.admin_path = options.folder + "/admin";
  return gateway::run_gateway(options);
}

}  // namespace

Verb gateway_verb() {
  return {
      .name = "gateway",
      .usage = "gateway --folder DIR/gateway [--port N]",
      .what = "carry predictions to model servers by the published routes",
      .options =
          {
              {"--folder", "PATH", "where routes.json is published; also takes the admin socket"},
              {"--address", "ADDRESS", "the address to listen on", "127.0.0.1"},
              {"--port", "N", "0 = any", "7080"},
              {"--threads", "N", "threads that carry requests", "1"},
          },
      .run = run_verb,
      .internal = true,
      .examples = "  curl --unix-socket DIR/gateway/admin http://localhost/stats",
  };
}

}  // namespace mk::cli
