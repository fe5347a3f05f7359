#include "api/kubernetes/kubeconfig.h"

#include "base/json.h"

namespace mk::api::kubernetes {

std::string kubeconfig(std::string_view server_url) {
  const Json named = Json::object({{"name", "modelkit"}});
  Json cluster = named, user = named, context = named;
  cluster["cluster"] = Json::object({{"server", server_url}});
  user["user"] = Json::object();
  context["context"] =
      Json::object({{"cluster", "modelkit"}, {"user", "modelkit"}, {"namespace", "default"}});
  return Json::object({{"apiVersion", "v1"},
                       {"kind", "Config"},
                       {"clusters", Json::array({cluster})},
                       {"users", Json::array({user})},
                       {"contexts", Json::array({context})},
                       {"current-context", "modelkit"}})
      .dump_pretty();
}

}  // namespace mk::api::kubernetes
