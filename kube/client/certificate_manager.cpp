#include "kube/client/certificate_manager.hpp"

#include <algorithm>
#include <random>

#include "base/files.hpp"
#include "base/log.hpp"

namespace keelson::kube {
namespace {

constexpr auto kRequestTimeout = std::chrono::minutes(15);
// Timers do not see the clock being set, nor a machine's sleep: so far ahead, and no further, are they trusted.
constexpr auto kLongestWait = std::chrono::minutes(10);
constexpr auto kSelfSignedLifetime = std::chrono::hours(24 * 365);

double random_unit() {
  static thread_local std::mt19937 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

// Signers need not keep the order.
bool same_names(SubjectAltNames a, SubjectAltNames b) {
  for (auto* list : {&a.dns, &a.ips, &b.dns, &b.ips}) std::sort(list->begin(), list->end());
  return a == b;
}

}  // namespace

Time rotation_deadline(Time not_before, Time not_after, double jitter) {
  const auto life = std::chrono::duration<double>(not_after - not_before);
  return not_before + std::chrono::round<Seconds>(life * (0.7 + 0.2 * jitter));
}

Seconds certificate_retry_delay(int failures) { return Seconds(1 << std::clamp(failures, 1, 5)); }

CertificateManager::CertificateManager(const Executor& executor, BlockingPool& pool, CertificateManagerOptions options)
    : pool_(pool), options_(std::move(options)), wake_(executor), became_valid_(executor) {}

bool CertificateManager::valid() const {
  const Time now = options_.clock->now();
  return state_.facts && state_.facts->not_before <= now && now < state_.facts->not_after;
}

Time CertificateManager::due(const SubjectAltNames& names) {
  if (!state_.facts) return Time{};
  if (!names.empty() && !same_names(names, state_.facts->names)) return Time{};
  return rotation_deadline(state_.facts->not_before, state_.facts->not_after, jitter_);
}

Awaitable<void> CertificateManager::load() {
  CertificateStore store = options_.store;
  if (options_.adopt) {
    std::function<Result<void>()> adopt = options_.adopt;
    const Result<void> adopted = co_await pool_.run(std::move(adopt));
    if (!adopted) log_warn("certificate not taken over", {{"error", adopted.error()}});
  }
  auto read = [store] { return store.current(); };
  Result<CertificatePair> pair = co_await pool_.run(std::move(read));
  State loaded;
  if (pair) {
    Result<CertificateFacts> facts = read_certificate(pair->certificate_pem);
    if (facts) loaded.facts = std::move(*facts);
    loaded.pair = std::move(*pair);
  } else if (pair.error().code != Errc::not_found) {
    report(pair.error());
  }
  if (loaded.pair != state_.pair) jitter_ = random_unit();
  state_ = std::move(loaded);
  if (valid()) became_valid_.notify();
}

Awaitable<void> CertificateManager::wait_valid() {
  while (!valid()) co_await became_valid_.wait();
}

void CertificateManager::report(const Error& error) {
  log_warn("no new certificate", {{"signer", options_.signer_name}, {"error", error}});
  if (options_.on_error) options_.on_error(error);
}

Awaitable<void> CertificateManager::run() {
  for (;;) {
    co_await load();  // another program may have put one there, too
    const std::optional<SubjectAltNames> names = options_.names();
    const Time now = options_.clock->now();
    Nanoseconds wait = kLongestWait;
    if (names) wait = std::min<Nanoseconds>(wait, due(*names) - now);
    if (wait > Nanoseconds(0)) {
      const SteadyTime until = std::chrono::steady_clock::now() + wait;
      co_await wake_.wait_until(until);
      continue;
    }
    SubjectAltNames wanted = *names;
    Result<void> rotated = co_await rotate(std::move(wanted));
    if (rotated) {
      failures_ = 0;
      continue;
    }
    report(rotated.error());
    const SteadyTime until = std::chrono::steady_clock::now() + certificate_retry_delay(++failures_);
    co_await wake_.wait_until(until);
  }
}

// Before there is a certificate the key stays on disk until it is signed, so that a restart takes up the same request.
Awaitable<Result<std::string>> CertificateManager::key_for_request(bool bootstrapping) {
  if (!bootstrapping) co_return make_private_key();
  CertificateStore store = options_.store;
  auto read = [store] { return store.pending_key(); };
  Result<std::string> key = co_await pool_.run(std::move(read));
  co_return key;
}

Awaitable<Result<void>> CertificateManager::rotate(SubjectAltNames names) {
  const bool bootstrapping = !valid();
  std::string why;
  const std::shared_ptr<Api> api = options_.api(!bootstrapping, why);
  if (!api) co_return make_error(Errc::failed_precondition, why);
  SigningRequest request{{}, options_.signer_name, options_.usages, {}, options_.subject, std::move(names)};
  Result<std::string> key = co_await key_for_request(bootstrapping);
  if (!key) co_return key.error();
  request.key_pem = *key;
  if (bootstrapping && request.names.empty()) {
    CO_TRY(request.name, signing_request_name(*key, request.subject, request.usages));
  }
  Result<std::string> certificate = co_await request_certificate(api, std::move(request), kRequestTimeout);
  CertificateStore store = options_.store;
  if (!certificate) {
    const Error& error = certificate.error();
    const bool key_is_spent = error.code == Errc::failed_precondition || error.reason == "Denied";
    if (key_is_spent) {
      auto drop = [store] { return store.drop_pending_key(); };
      const Result<void> dropped = co_await pool_.run(std::move(drop));
      if (!dropped) log_warn("key of a refused certificate left behind", {{"error", dropped.error()}});
    }
    co_return error;
  }
  CertificatePair pair{*certificate, *key};
  const Time now = options_.clock->now();
  const Result<CertificateFacts> facts = read_certificate(*certificate);
  const bool usable = facts && now < facts->not_after;
  auto keep = [store, pair, now, usable]() -> Result<void> {
    Result<void> done = usable ? store.store(pair, now)
                               : make_error(Errc::failed_precondition, "the certificate that came is not valid now");
    CHECK_OK(store.drop_pending_key());
    return done;
  };
  Result<void> stored = co_await pool_.run(std::move(keep));
  if (!stored) co_return stored.error();
  log_info("new certificate", {{"signer", options_.signer_name}, {"until", format_time(facts->not_after)}});
  co_await load();
  if (options_.on_rotated) options_.on_rotated(pair);
  co_return Result<void>();
}

Result<CertificatePair> ensure_self_signed(const std::filesystem::path& folder, const std::string& host,
                                           const SubjectAltNames& names, Time now) {
  const auto contains = [](const std::vector<std::string>& all, const std::vector<std::string>& some) {
    return std::all_of(some.begin(), some.end(),
                       [&](const std::string& name) { return std::find(all.begin(), all.end(), name) != all.end(); });
  };
  const auto certificate = read_file(folder / "kubelet.crt");
  const auto key = read_file(folder / "kubelet.key");
  if (certificate && key && check_key_pair(*certificate, *key)) {
    const auto facts = read_certificate(*certificate);
    if (facts && now < facts->not_after && contains(facts->names.dns, names.dns) &&
        contains(facts->names.ips, names.ips)) {
      return CertificatePair{*certificate, *key};
    }
  }
  CertificatePair made;
  made.key_pem = make_private_key();
  const Subject subject{host, {}};
  TRY(made.certificate_pem, make_self_signed(made.key_pem, subject, names, now, kSelfSignedLifetime));
  CHECK_OK(make_dirs(folder, 0755));
  CHECK_OK(write_file_atomic(folder / "kubelet.key", made.key_pem, 0600));
  CHECK_OK(write_file_atomic(folder / "kubelet.crt", made.certificate_pem, 0644));
  return made;
}

}  // namespace keelson::kube
