#include "agent/cluster/serving.hpp"

#include "base/files.hpp"
#include "base/log.hpp"
#include "kube/client/credentials.hpp"

namespace keelson::agent {
namespace {

constexpr Seconds kSelfSignedLifetime = std::chrono::hours(24 * 365);

HttpsOptions https_options(const ServingOptions& o, const Serving::Certificate& certificate) {
  HttpsOptions out;
  out.address = o.address;
  out.port = o.port;
  out.cert_file = certificate.cert_file;
  out.key_file = certificate.key_file;
  if (!o.tls_min_version.empty()) out.tls.min_version = o.tls_min_version;
  out.tls.cipher_suites = o.tls_cipher_suites;
  return out;
}

bool is_usable(const std::filesystem::path& cert_file, SystemTime now) {
  const auto text = read_file(cert_file);
  if (!text) return false;
  const auto facts = kube::read_certificate(*text);
  return facts && facts->not_after > now + std::chrono::hours(24);
}

}  // namespace

Serving::Serving(Executor executor, ServerData& data, kube::Api& api, const Clock& clock, const std::string& node_name,
                 const ServingOptions& options, const Certificate& certificate)
    : options_(options),
      routes_(executor, data, Api::Face::kubelet),
      authenticator_(executor, &api, clock,
                     {.client_ca_file = options.client_ca_file,
                      .webhook = options.token_webhook,
                      .cache_ttl = options.token_ttl,
                      .anonymous = options.anonymous}),
      authorizer_(executor, &api, clock, node_name,
                  {.mode = options.always_allow ? AuthorizationMode::always_allow : AuthorizationMode::webhook,
                   .allow_ttl = options.allow_ttl,
                   .deny_ttl = options.deny_ttl}),
      https_(executor, routes_, authenticator_, authorizer_, https_options(options, certificate)),
      health_(executor, routes_) {}

Result<void> Serving::start() {
  CHECK_OK(https_.start());
  if (options_.healthz_port == 0) return {};
  CHECK_OK(health_.start(options_.healthz_address, options_.healthz_port));
  health_started_ = true;
  return {};
}

Awaitable<void> Serving::stop() {
  co_await https_.stop();
  if (health_started_) co_await health_.stop();
  co_await authenticator_.stop();
  co_await authorizer_.stop();
}

Result<Serving::Certificate> ensure_serving_certificate(const ServingOptions& options, const std::filesystem::path& cert_dir,
                                                        const std::string& node_name, const std::vector<std::string>& ips,
                                                        SystemTime now) {
  if (!options.cert_file.empty()) {
    return Serving::Certificate{options.cert_file, options.key_file.empty() ? options.cert_file : options.key_file};
  }
  const Serving::Certificate files{cert_dir / "kubelet.crt", cert_dir / "kubelet.key"};
  if (is_usable(files.cert_file, now)) return files;
  const auto key = kube::make_private_key();
  TRY(const auto certificate, kube::make_self_signed(key, {.common_name = node_name, .organizations = {}},
                                                     {.dns = {node_name}, .ips = ips}, now, kSelfSignedLifetime));
  CHECK_OK(make_dirs(cert_dir, 0750));
  CHECK_OK(write_file_atomic(files.key_file, key, 0600));
  CHECK_OK(write_file_atomic(files.cert_file, certificate, 0644));
  log_info("serving certificate made", {{"file", files.cert_file.string()}});
  return files;
}

}  // namespace keelson::agent
