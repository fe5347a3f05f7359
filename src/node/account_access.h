// How a Pod's processes call the control plane as its service account: the files beneath kAccountFolder, as every client that
// runs inside a cluster expects them, and tokens that are replaced before they expire.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "core/access/account_tokens.h"
#include "node/environment.h"
#include "node/pod_spec.h"

namespace mk::node {

inline constexpr const char* kAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";
inline constexpr const char* kAccountVolume = "modelkit-service-account";  // no declared volume's name

struct AccountAccess {
  core::AccountTokens* tokens = nullptr;
  std::string ca_pem;
  std::string host;  // where Pods reach the control plane, with TLS
  uint16_t port = 0;
};

// Whether the Pod gets the files without asking for them: it, or else its account, may say no.
bool mounts_account(const Json& pod, const Lookup& lookup);

// {serviceAccountToken: {path, audience, expirationSeconds}} of a projected volume.
Result<std::string> account_token(const AccountAccess& access, const Json& pod, const Json& source);

// One token file of a Pod.
struct TokenFile {
  std::string path;  // relative to the Pod's folder
  Json source;
};
std::vector<TokenFile> token_files(const Json& pod, bool with_account);

// Whether four fifths of this token's life are over.
bool is_stale(std::string_view token, Time now);

}  // namespace mk::node
