#include "api/kubernetes/kubeconfig.h"

#include "base/encoding.h"
#include "base/json.h"

namespace mk::api::kubernetes {

std::string kubeconfig(const KubeconfigWish& wish) {
  Json cluster = Json::object({{"name", "modelkit"}}), user = Json::object({{"name", wish.user}}), context = cluster;
  cluster["cluster"] = Json::object({{"server", wish.server}});
  if (!wish.ca_pem.empty()) cluster["cluster"]["certificate-authority-data"] = base64_encode(wish.ca_pem);
  user["user"] = Json::object();
  if (!wish.token.empty()) user["user"]["token"] = wish.token;
  if (!wish.certificate_pem.empty()) {
    user["user"]["client-certificate-data"] = base64_encode(wish.certificate_pem);
    user["user"]["client-key-data"] = base64_encode(wish.key_pem);
  }
  context["context"] = Json::object({{"cluster", "modelkit"}, {"user", wish.user}, {"namespace", "default"}});
  return Json::object({{"apiVersion", "v1"},
                       {"kind", "Config"},
                       {"clusters", Json::array({cluster})},
                       {"users", Json::array({user})},
                       {"contexts", Json::array({context})},
                       {"current-context", "modelkit"}})
      .dump_pretty();
}

}  // namespace mk::api::kubernetes
