#include "agent/cluster/serving.hpp"

namespace keelson::agent {
namespace {

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

}  // namespace

Serving::Serving(Executor executor, ServerData& data, kube::Api& api, const Clock& clock, const std::string& node_name,
                 const ServingOptions& options, const Certificate& certificate)
    : options_(options),
      routes_(executor, data, Api::Face::kubelet,
              {.debugging = options.debugging_handlers,
               .system_log = options.system_log_handler,
               .debug_flags = options.debug_flags_handler}),
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
  if (options_.enabled) CHECK_OK(https_.start());
  if (options_.healthz_port == 0) return {};
  CHECK_OK(health_.start(options_.healthz_address, options_.healthz_port));
  health_started_ = true;
  return {};
}

Awaitable<void> Serving::stop() {
  if (options_.enabled) co_await https_.stop();
  if (health_started_) co_await health_.stop();
  co_await authenticator_.stop();
  co_await authorizer_.stop();
}

}  // namespace keelson::agent
