#include "agent/server/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

#include "base/log.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

Result<int> version_number(const std::string& name) {
  if (name.empty() || name == "VersionTLS12") return TLS1_2_VERSION;
  if (name == "VersionTLS13") return TLS1_3_VERSION;
  if (name == "VersionTLS11") return TLS1_1_VERSION;
  if (name == "VersionTLS10") return TLS1_VERSION;
  return make_error(
      Errc::invalid_argument,
      "tlsMinVersion \"" + name + "\": must be one of VersionTLS10, VersionTLS11, " + "VersionTLS12, VersionTLS13");
}

bool is_tls13_suite(const std::string& name) {
  return name == "TLS_AES_128_GCM_SHA256" || name == "TLS_AES_256_GCM_SHA384" || name == "TLS_CHACHA20_POLY1305_SHA256";
}

// OpenSSL's list for IANA's names; empty when only suites of TLS 1.3 are named.
Result<std::string> cipher_list(const std::vector<std::string>& suites) {
  std::vector<std::string> names;
  for (const auto& suite : suites) {
    if (is_tls13_suite(suite)) continue;
    // Go has two suites under a second, older name.
    const std::string standard = suite.ends_with("_CHACHA20_POLY1305") ? suite + "_SHA256" : suite;
    const char* name = OPENSSL_cipher_name(standard.c_str());
    if (std::strcmp(name, "(NONE)") == 0) {
      return make_error(Errc::invalid_argument, "tlsCipherSuites: \"" + suite + "\" is not known");
    }
    names.emplace_back(name);
  }
  return join(names, ":");
}

// HTTP/1.1 is all we speak. A client that names it hears so; one that does not goes on without an answer.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
  static constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11, in, in_size);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// Who the client is gets decided with each request (authentication.hpp), against the CA as it is then.
int accept_any_certificate(int, X509_STORE_CTX*) { return 1; }

Result<void> apply_policy(SSL_CTX* ctx, const TlsPolicy& policy) {
  TRY(const int version, version_number(policy.min_version));
  SSL_CTX_set_min_proto_version(ctx, version);
  if (policy.cipher_suites.empty()) return {};
  TRY(const auto ciphers, cipher_list(policy.cipher_suites));
  if (ciphers.empty()) return {};
  if (SSL_CTX_set_cipher_list(ctx, ciphers.c_str()) != 1) {
    return make_error(Errc::invalid_argument, "tlsCipherSuites: " + take_openssl_errors());
  }
  return {};
}

}  // namespace

std::string take_openssl_errors() {
  std::string out;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    out.append(out.empty() ? "" : "; ").append(reason ? reason : "TLS error " + std::to_string(code));
  }
  return out.empty() ? "unknown TLS error" : out;
}

ServingCertificate::ServingCertificate(std::filesystem::path cert_file, std::filesystem::path key_file,
                                       TlsPolicy policy)
    : cert_file_(std::move(cert_file)), key_file_(std::move(key_file)), policy_(std::move(policy)) {}

Result<std::shared_ptr<SSL_CTX>> ServingCertificate::context() {
  // The stamps come before the reading: a change in between shows with the next connection.
  const auto cert = file_stamp(cert_file_), key = file_stamp(key_file_);
  if (!tried_ || cert != cert_stamp_ || key != key_stamp_) {
    tried_ = true;
    cert_stamp_ = cert;
    key_stamp_ = key;
    auto fresh = load();
    if (fresh) {
      log_info(context_ ? "serving certificate changed" : "serving certificate loaded",
               {{"file", cert_file_.string()}});
      context_ = std::move(*fresh);
    } else {
      last_error_ = fresh.error();
      log_warn(context_ ? "new serving certificate not usable; the one before goes on" : "no serving certificate yet",
               {{"error", last_error_}});
    }
  }
  if (!context_) return last_error_;
  return context_;
}

Result<std::shared_ptr<SSL_CTX>> ServingCertificate::load() const {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> ctx(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!ctx) return make_error(Errc::internal, take_openssl_errors());
  CHECK_OK(apply_policy(ctx.get(), policy_));
  const auto bad = [](const std::filesystem::path& file) {
    return make_error(Errc::failed_precondition, file.string() + ": " + take_openssl_errors());
  };
  if (SSL_CTX_use_certificate_chain_file(ctx.get(), cert_file_.c_str()) != 1) return bad(cert_file_);
  if (SSL_CTX_use_PrivateKey_file(ctx.get(), key_file_.c_str(), SSL_FILETYPE_PEM) != 1) return bad(key_file_);
  if (SSL_CTX_check_private_key(ctx.get()) != 1) return bad(key_file_);
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, accept_any_certificate);
  SSL_CTX_set_alpn_select_cb(ctx.get(), choose_protocol, nullptr);
  // No resumption: a session must not outlive the client's certificate.
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx.get(), 0);
  SSL_CTX_set_options(
      ctx.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // An idle connection keeps no record buffers: 34 KiB less for each.
  SSL_CTX_set_mode(ctx.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return ctx;
}

}  // namespace keelson::agent
