#include "net/tls.h"

#include <openssl/pem.h>

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
    // Which authorities are taken is told to clients, and sessions that are resumed belong to this server.
    X509* authority = nullptr;
    BIO* bio = BIO_new_mem_buf(identity.client_ca_pem.data(), static_cast<int>(identity.client_ca_pem.size()));
    if ((authority = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) != nullptr)
      SSL_CTX_add_client_CA(context->native_handle(), authority);
    X509_free(authority);
    BIO_free(bio);
    constexpr std::string_view kSessions = "modelkit";
    SSL_CTX_set_session_id_context(context->native_handle(), reinterpret_cast<const unsigned char*>(kSessions.data()),
                                   kSessions.size());
  }
  return context;
}

std::shared_ptr<const CertificateFacts> certificate_of_peer(SSL* connection) {
  if (SSL_get_verify_result(connection) != X509_V_OK) return nullptr;
  X509* certificate = SSL_get1_peer_certificate(connection);
  if (certificate == nullptr) return nullptr;
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, certificate);
  char* pem = nullptr;
  const long size = BIO_get_mem_data(out, &pem);
  auto facts = read_certificate({pem, static_cast<size_t>(size)});
  BIO_free(out);
  X509_free(certificate);
  if (!facts) return nullptr;
  return std::make_shared<const CertificateFacts>(*std::move(facts));
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
