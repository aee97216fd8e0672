// Credential provider plugins: programs that are asked for credentials before an image is pulled. What they answer is
// kept in memory as long as they say. After upstream's pkg/credentialprovider/plugin/plugin.go. Lives on the loop's
// thread.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/images/credential_provider_config.hpp"
#include "base/clock.hpp"
#include "base/latch.hpp"
#include "base/task_group.hpp"

namespace keelson::agent {

class CredentialProviders {
 public:
  CredentialProviders(const Executor& executor, const Clock& clock, std::vector<CredentialProviderSpec> providers);

  // The providers that `repository` ("registry.example/team/app") has and that have to be asked now, for people:
  // "ecr, acr"; empty: find() answers from memory.
  [[nodiscard]] std::string to_ask(const std::string& repository) const;
  // What may be tried for it, in the providers' order. A program runs once for all who want to know the same, a minute
  // at most; one that fails gives nothing, and is logged.
  Awaitable<std::vector<RegistryAuth>> find(std::string repository);
  // Ends programs that run.
  Awaitable<void> stop();

 private:
  struct Kept {
    Keyring keyring;
    SteadyTime until{};
  };
  struct Question;
  struct Provider {
    CredentialProviderSpec spec;
    std::map<std::string, Kept> kept;                            // by key_for()
    std::map<std::string, std::shared_ptr<Question>> questions;  // under way, by repository
  };

  [[nodiscard]] const Keyring* kept(const Provider& provider, const std::string& repository) const;
  std::shared_ptr<Question> ask(Provider& provider, const std::string& repository);
  Awaitable<void> run(Provider& provider, std::string repository, std::shared_ptr<Question> question);
  void keep(Provider& provider, const std::string& repository, const CredentialAnswer& answer);

  Executor executor_;
  const Clock& clock_;
  std::list<Provider> providers_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
