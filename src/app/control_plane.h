// The control plane: builds every room in order, joins them, and takes them down again. The only place, with
// modules.cc, that names everything.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace mk::app {

struct Settings {
  std::string data;                   // absolute; made when absent
  std::string listen = "127.0.0.1";
  uint16_t port = 7070, data_port = 7080, grpc_port = 7081;  // 0 = any
  bool gateway = true;
  std::vector<std::string> hosts;        // names to be called by, beside the loopback ones
  std::vector<std::string> model_files;  // folders beneath which file:/// models may lie
};

struct Endpoints {
  std::string http;  // "http://127.0.0.1:7070"
  std::string https;  // the same with TLS
  std::string data;  // of the gateway
};

class ControlPlane {
 public:
  // Ready when it returns: the first write was durable, the gateway answers, DIR/endpoints.json is written.
  static Result<std::unique_ptr<ControlPlane>> start(const Settings& settings);
  virtual ~ControlPlane() = default;

  virtual const Endpoints& endpoints() const = 0;
  // Lets running requests end. With `workloads` also stops the gateway and all Pods; without, they go on and the
  // next start takes them over.
  virtual void stop(bool workloads) = 0;
};

}  // namespace mk::app
