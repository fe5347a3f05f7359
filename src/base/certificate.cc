#include "base/certificate.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "base/ec_key_native.h"
#include "base/format.h"

namespace mk {
namespace {

using X509Ptr = std::unique_ptr<X509, void (*)(X509*)>;

X509Ptr parse(std::string_view pem) {
  const BioPtr bio = bio_of(pem);
  return {PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free};
}

void add_to(X509_NAME* name, int nid, std::string_view text) {
  MK_CHECK(X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()), -1, 0) == 1);
}

bool is_address(const std::string& name) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, name.c_str(), bytes) == 1 || inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

Result<void> extend(X509* certificate, X509* authority, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, authority, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return invalid(fmt::format("a certificate cannot be made for {}", value));
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return {};
}

Result<void> add_extensions(X509* certificate, X509* authority, const CertificateWish& wish) {
  using Use = CertificateWish::Use;
  const bool is_authority = wish.use == Use::kAuthority;
  MK_OK(extend(certificate, authority, NID_basic_constraints,
               is_authority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE"));
  MK_OK(extend(certificate, authority, NID_key_usage,
               is_authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature"));
  MK_OK(extend(certificate, authority, NID_subject_key_identifier, "hash"));
  if (!is_authority) {
    MK_OK(extend(certificate, authority, NID_authority_key_identifier, "keyid:always"));
    MK_OK(extend(certificate, authority, NID_ext_key_usage,
                 wish.use == Use::kServer ? "serverAuth" : "clientAuth"));
  }
  std::string names;
  for (const std::string& name : wish.names) {
    if (name.find_first_of(",: \n") != std::string::npos && !is_address(name))
      return invalid(fmt::format("\"{}\" is no host name and no address", name));
    names += fmt::format("{}{}:{}", names.empty() ? "" : ",", is_address(name) ? "IP" : "DNS", name);
  }
  if (!names.empty()) MK_OK(extend(certificate, authority, NID_subject_alt_name, names));
  return {};
}

std::string text_of(const ASN1_STRING* value) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<size_t>(ASN1_STRING_length(value))};
}

std::vector<std::string> entries(const X509_NAME* name, int nid) {
  std::vector<std::string> out;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(name, nid, at)) >= 0;)
    out.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))));
  return out;
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> out;
  auto* list = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(list); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(list, i);
    if (one->type == GEN_DNS) out.push_back(text_of(one->d.dNSName));
    if (one->type != GEN_IPADD) continue;
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(ASN1_STRING_length(one->d.iPAddress) == 4 ? AF_INET : AF_INET6,
              ASN1_STRING_get0_data(one->d.iPAddress), text, sizeof text);
    out.emplace_back(text);
  }
  GENERAL_NAMES_free(list);
  return out;
}

}  // namespace

Result<std::string> issue_certificate(const CertificateWish& wish, const EcKey& subject,
                                      std::string_view authority_pem, const EcKey& authority) {
  const X509Ptr certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> serial(
      BN_bin2bn(reinterpret_cast<const unsigned char*>(wish.serial.data()),
                static_cast<int>(wish.serial.size()), nullptr),
      BN_free);
  BN_clear_bit(serial.get(), 159);  // positive in 20 bytes
  BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get()));
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), static_cast<time_t>(wish.not_before.ms() / 1000));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), static_cast<time_t>(wish.not_after.ms() / 1000));
  X509_set_pubkey(certificate.get(), subject.native().key);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  for (const std::string& organisation : wish.organisations) add_to(name, NID_organizationName, organisation);
  if (!wish.user_id.empty()) add_to(name, NID_userId, wish.user_id);
  if (wish.common_name.empty() || wish.common_name.size() > 64)
    return invalid(fmt::format("\"{}\" cannot be the name in a certificate: it takes 1 to 64 bytes", wish.common_name));
  add_to(name, NID_commonName, wish.common_name);
  X509Ptr issuer(nullptr, X509_free);
  if (!authority_pem.empty()) {
    issuer = parse(authority_pem);
    if (!issuer) return invalid("the authority's certificate cannot be read");
  }
  X509* signer = issuer ? issuer.get() : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  MK_OK(add_extensions(certificate.get(), signer, wish));
  if (X509_sign(certificate.get(), authority.native().key, EVP_sha256()) == 0)
    return fail(Code::kInternal, "certificate", "a certificate could not be signed");
  const BioPtr out = bio_for_writing();
  PEM_write_bio_X509(out.get(), certificate.get());
  return bio_text(out.get());
}

Result<CertificateFacts> read_certificate(std::string_view pem) {
  const X509Ptr certificate = parse(pem);
  if (!certificate) return invalid("this is no certificate in PEM");
  const X509_NAME* name = X509_get_subject_name(certificate.get());
  CertificateFacts facts;
  if (const auto all = entries(name, NID_commonName); !all.empty()) facts.common_name = all.back();
  if (const auto all = entries(name, NID_userId); !all.empty()) facts.user_id = all.front();
  facts.organisations = entries(name, NID_organizationName);
  facts.names = names_of(certificate.get());
  std::tm when{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &when) == 1)
    facts.not_after = Time::from_ms(static_cast<int64_t>(timegm(&when)) * 1000);
  return facts;
}

}  // namespace mk
