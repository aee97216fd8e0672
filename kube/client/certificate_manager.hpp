// CertificateManager: keeps one certificate of the node valid. It asks the cluster for one when there is none, when it
// has expired or nears its end, or when it does not carry the node's names any more (client-go util/certificate).
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/notifier.hpp"
#include "kube/client/certificate_store.hpp"
#include "kube/client/signing_request.hpp"

namespace keelson::kube {

// When a certificate is to be replaced: after 70 to 90 % of its life, by `jitter` in [0, 1). Pure.
[[nodiscard]] Time rotation_deadline(Time not_before, Time not_after, double jitter);
// The pause after the n-th failure in a row (from 1): 2, 4, 8, 16, and then 32 s. Pure.
[[nodiscard]] Seconds certificate_retry_delay(int failures);

struct CertificateManagerOptions {
  CertificateStore store;
  std::string signer_name;
  std::vector<std::string> usages;
  Subject subject;
  // The names to ask for (a serving certificate's), sorted; nothing while they are not known: no request then.
  std::function<std::optional<SubjectAltNames>()> names = [] { return SubjectAltNames{}; };
  // Whom to ask. `valid`: whether the certificate in the store is; a client certificate that is not, or is not there,
  // is asked for with the bootstrap credentials. Null: there is nobody, which `why` then explains.
  std::function<std::shared_ptr<Api>(bool valid, std::string& why)> api;
  // Optional, called on the pool before the store is read: puts a certificate there that came by another way.
  std::function<Result<void>()> adopt;
  // Optional: a new certificate is in the store; a round failed, which will be tried again.
  std::function<void(const CertificatePair&)> on_rotated;
  std::function<void(const Error&)> on_error;
  const Clock* clock = &system_clock();
};

class CertificateManager {
 public:
  // `pool` must outlive it.
  CertificateManager(const Executor& executor, BlockingPool& pool, CertificateManagerOptions options);

  // Runs until its task is cancelled. The manager must outlive the task.
  Awaitable<void> run();
  // Returns when there is a valid certificate; run() must run.
  Awaitable<void> wait_valid();
  // Looks again: the node's names changed, or the clock did.
  void wake() { wake_.notify(); }

 private:
  struct State {
    std::optional<CertificatePair> pair;
    std::optional<CertificateFacts> facts;
  };
  Awaitable<void> load();
  Awaitable<Result<void>> rotate(SubjectAltNames names);
  Awaitable<Result<std::string>> key_for_request(bool bootstrapping);
  [[nodiscard]] bool valid() const;
  [[nodiscard]] Time due(const SubjectAltNames& names);
  void report(const Error& error);

  BlockingPool& pool_;
  CertificateManagerOptions options_;
  Notifier wake_;
  Notifier became_valid_;
  State state_;
  double jitter_ = 0;
  int failures_ = 0;
};

// The self-signed serving certificate, FOLDER/kubelet.crt and kubelet.key, made anew when there is none, when it is
// broken or expired, or when it lacks one of `names`. Valid for a year. Blocks.
Result<CertificatePair> ensure_self_signed(const std::filesystem::path& folder, const std::string& host,
                                           const SubjectAltNames& names, Time now);

}  // namespace keelson::kube
