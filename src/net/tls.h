// TLS contexts from PEM texts. Inside net/ only.
#pragma once
#include <memory>

#include "base/error.h"
#include "net/asio.h"
#include "net/server.h"

namespace mk::net {

// TLS 1.2 and later, no renegotiation. With a client CA, certificates are asked for and checked, but not
// required.
Result<std::shared_ptr<asio::ssl::context>> server_tls(const TlsIdentity& identity);

// What the peer of a finished handshake showed; null when it showed nothing, or nothing that was verified.
std::shared_ptr<const CertificateFacts> certificate_of_peer(SSL* connection);

// Trusts only `ca_pem`, or the system's roots when it is empty.
Result<std::shared_ptr<asio::ssl::context>> client_tls(const std::string& ca_pem);

}  // namespace mk::net
