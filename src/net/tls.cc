#include "net/tls.h"

namespace mk::net {

namespace {

Failure tls_failure(std::string_view what, const ErrorCode& code) {
  return fail(Code::kInvalidArgument, "tls_identity",
              "cannot use the " + std::string(what) + ": " + code.message());
}

}  // namespace

Result<std::shared_ptr<asio::ssl::context>> server_tls(const TlsIdentity& identity) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  ErrorCode code;
  context->use_certificate_chain(asio::buffer(identity.certificate_pem), code);
  if (code) return tls_failure("certificate", code);
  context->use_private_key(asio::buffer(identity.key_pem), asio::ssl::context::pem, code);
  if (code) return tls_failure("private key", code);
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
    return fail(Code::kInvalidArgument, "tls_identity", "the private key does not belong to the certificate");
  }
  if (!identity.client_ca_pem.empty()) {
    context->add_certificate_authority(asio::buffer(identity.client_ca_pem), code);
    if (code) return tls_failure("client CA", code);
    context->set_verify_mode(asio::ssl::verify_peer, code);
    if (code) return tls_failure("client CA", code);
  }
  return context;
}

Result<std::shared_ptr<asio::ssl::context>> client_tls(const std::string& ca_pem) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  ErrorCode code;
  if (ca_pem.empty()) {
    context->set_default_verify_paths(code);
  } else {
    context->add_certificate_authority(asio::buffer(ca_pem), code);
  }
  if (code) return tls_failure("CA", code);
  context->set_verify_mode(asio::ssl::verify_peer, code);
  if (code) return tls_failure("CA", code);
  return context;
}

}  // namespace mk::net
