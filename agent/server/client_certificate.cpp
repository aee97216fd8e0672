#include "agent/server/client_certificate.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "agent/server/tls_context.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

struct FreeX509 {
  void operator()(X509* x) const { X509_free(x); }
  void operator()(BIO* b) const { BIO_free(b); }
  void operator()(X509_STORE_CTX* c) const { X509_STORE_CTX_free(c); }
  void operator()(STACK_OF(X509) * s) const { sk_X509_pop_free(s, X509_free); }
};
template <class T>
using Owned = std::unique_ptr<T, FreeX509>;

Owned<X509> parse_der(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  return Owned<X509>(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

Result<std::shared_ptr<X509_STORE>> read_anchors(const std::filesystem::path& file) {
  TRY(const auto pem, read_file(file));
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::shared_ptr<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
  int found = 0;
  while (const Owned<X509> certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    found += X509_STORE_add_cert(store.get(), certificate.get());
  }
  ERR_clear_error();  // the end of the file counts as an error
  if (found == 0) return make_error(Errc::invalid_argument, file.string() + ": no certificate in it");
  // As in Go, what is in the file is trusted, whether or not it signed itself.
  X509_VERIFY_PARAM_set_flags(X509_STORE_get0_param(store.get()), X509_V_FLAG_PARTIAL_CHAIN);
  return store;
}

std::vector<std::string> name_entries(X509* certificate, int nid) {
  std::vector<std::string> out;
  X509_NAME* name = X509_get_subject_name(certificate);
  for (int i = -1; (i = X509_NAME_get_index_by_NID(name, nid, i)) >= 0;) {
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    if (size >= 0) out.emplace_back(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
  }
  return out;
}

Result<void> check_chain(X509_STORE* anchors, X509* own, STACK_OF(X509) * others, SystemTime now) {
  const Owned<X509_STORE_CTX> check(X509_STORE_CTX_new());
  X509_STORE_CTX_init(check.get(), anchors, own, others);
  X509_STORE_CTX_set_purpose(check.get(), X509_PURPOSE_SSL_CLIENT);
  X509_STORE_CTX_set_time(
      check.get(), 0,
      std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(now)));
  const int good = X509_verify_cert(check.get());
  if (good == 1) return {};
  const int why = X509_STORE_CTX_get_error(check.get());
  ERR_clear_error();
  return make_error(Errc::permission_denied, std::string("client certificate: ") + X509_verify_cert_error_string(why));
}

}  // namespace

void ClientCa::refresh() {
  const auto now = file_stamp(file_);
  if (tried_ && now == stamp_) return;
  tried_ = true;
  stamp_ = now;
  auto fresh = read_anchors(file_);
  if (fresh) {
    log_info(anchors_ ? "client CA changed" : "client CA loaded", {{"file", file_.string()}});
    anchors_ = std::move(*fresh);
  } else {
    log_warn("client CA not usable", {{"error", fresh.error()}, {"earlier one goes on", anchors_ != nullptr}});
  }
}

Result<UserInfo> ClientCa::verify(const ClientCertificates& certificates) {
  refresh();
  const auto refuse = [](const char* why) {
    return make_error(Errc::permission_denied, std::string("client certificate: ") + why);
  };
  if (!anchors_) return refuse("there is no client CA to check it against");
  if (certificates.empty()) return refuse("none shown");
  const auto own = parse_der(certificates.front());
  const Owned<STACK_OF(X509)> others(sk_X509_new_null());
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    if (auto certificate = parse_der(certificates[i])) sk_X509_push(others.get(), certificate.release());
  }
  if (!own) return refuse("cannot be read");
  CHECK_OK(check_chain(anchors_.get(), own.get(), others.get(), clock_.now()));
  auto names = name_entries(own.get(), NID_commonName);
  if (names.empty() || names.back().empty()) return refuse("it has no common name");
  UserInfo user;
  user.name = std::move(names.back());
  user.groups = name_entries(own.get(), NID_organizationName);
  user.extra["authentication.kubernetes.io/credential-id"] = {"X509SHA256=" + to_hex(sha256(certificates.front()))};
  return user;
}

}  // namespace keelson::agent
