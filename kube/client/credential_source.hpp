// CredentialSource: what a ClientConfig's certificates and tokens are right now. Files are looked at again, at most
// once a second and only when somebody asks, so that a rotated certificate or token is used from the next request on.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/semaphore.hpp"
#include "kube/client/exec_plugin.hpp"
#include "kube/client/http.hpp"
#include "kube/client/kubeconfig.hpp"

namespace keelson::kube {

struct Credentials {
  TlsSettings tls;
  std::string token;  // bearer token, or empty
};
using CredentialsPtr = std::shared_ptr<const Credentials>;

class CredentialSource {
 public:
  CredentialSource(const Executor& executor, ClientConfig config);
  ~CredentialSource();

  // The credentials to use now: the same object for as long as nothing changed. Runs the exec plugin when there is one
  // and what it last gave has expired. A file that cannot be read, or a key that does not fit its certificate (a pair
  // half replaced), leaves the former credentials in use, and is an error when there are none.
  Awaitable<Result<CredentialsPtr>> current();

  // The server refused `used` (401): forgets what the exec plugin gave, looks at the files at once. True when it may be
  // tried again with current().
  bool refused(const CredentialsPtr& used);

 private:
  class WatchedFile;
  Result<void> look_at_files();
  Result<void> compose();
  Awaitable<Result<void>> run_plugin();
  [[nodiscard]] bool plugin_due() const;

  const ClientConfig config_;
  std::unique_ptr<WatchedFile> ca_, certificate_, key_, token_;
  std::optional<ExecCredential> plugin_;
  Semaphore plugin_turn_;  // one run serves all who wait for it
  std::optional<Error> plugin_failure_;
  SteadyTime plugin_retry_{};
  SteadyTime next_look_{};
  bool dirty_ = true;  // something changed that current_ does not show
  CredentialsPtr current_;
  std::string last_problem_;
};

}  // namespace keelson::kube
