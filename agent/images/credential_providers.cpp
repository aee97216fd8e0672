#include "agent/images/credential_providers.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "base/subprocess.hpp"

namespace keelson::agent {
namespace {

constexpr auto kTimeout = Seconds(60);
constexpr auto kPatience = 2 * kTimeout;

bool serves(const CredentialProviderSpec& spec, const std::string& repository) {
  return std::any_of(spec.match_images.begin(), spec.match_images.end(),
                     [&](const auto& location) { return is_of_location(repository, location); });
}

std::string key_for(CredentialAnswer::For what, const std::string& repository) {
  switch (what) {
    case CredentialAnswer::For::image:
      return "image " + repository;
    case CredentialAnswer::For::registry:
      return "registry " + registry_of(repository);
    case CredentialAnswer::For::every_image:
      break;
  }
  return "every image";
}

Command command_for(const CredentialProviderSpec& spec, const std::string& repository) {
  Command out;
  out.argv.push_back(spec.program.string());
  out.argv.insert(out.argv.end(), spec.args.begin(), spec.args.end());
  out.env = environment_with(spec.env);
  const nlohmann::json request{
      {"apiVersion", spec.api_version}, {"kind", "CredentialProviderRequest"}, {"image", repository}};
  out.stdin_data = request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  out.timeout = kTimeout;
  return out;
}

}  // namespace

struct CredentialProviders::Question {
  explicit Question(Executor executor) : answered(std::move(executor)) {}
  Latch answered;
  Keyring keyring;  // empty where there was no answer
};

CredentialProviders::CredentialProviders(const Executor& executor, const Clock& clock,
                                         std::vector<CredentialProviderSpec> providers)
    : executor_(executor), clock_(clock), tasks_(executor) {
  for (auto& spec : providers) providers_.push_back({std::move(spec), {}, {}});
}

Awaitable<void> CredentialProviders::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

const Keyring* CredentialProviders::kept(const Provider& provider, const std::string& repository) const {
  using For = CredentialAnswer::For;
  for (const auto what : {For::image, For::registry, For::every_image}) {
    const auto found = provider.kept.find(key_for(what, repository));
    if (found != provider.kept.end() && clock_.steady_now() < found->second.until) return &found->second.keyring;
  }
  return nullptr;
}

std::string CredentialProviders::to_ask(const std::string& repository) const {
  std::string out;
  for (const auto& provider : providers_) {
    if (!serves(provider.spec, repository) || kept(provider, repository) != nullptr) continue;
    out += (out.empty() ? "" : ", ") + provider.spec.name;
  }
  return out;
}

Awaitable<std::vector<RegistryAuth>> CredentialProviders::find(std::string repository) {
  std::vector<std::pair<Provider*, std::shared_ptr<Question>>> chosen;  // all are asked at the same time
  for (auto& provider : providers_) {
    if (!serves(provider.spec, repository)) continue;
    const bool known = kept(provider, repository) != nullptr;
    chosen.emplace_back(&provider, known ? nullptr : ask(provider, repository));
  }
  std::vector<RegistryAuth> out;
  for (auto& [provider, question] : chosen) {
    if (question) co_await question->answered.wait_for(kPatience);
    const auto* keyring = question ? &question->keyring : kept(*provider, repository);
    if (keyring == nullptr) continue;
    for (auto& auth : keyring->find(repository)) {
      if (std::find(out.begin(), out.end(), auth) == out.end()) out.push_back(std::move(auth));
    }
  }
  co_return out;
}

std::shared_ptr<CredentialProviders::Question> CredentialProviders::ask(Provider& provider,
                                                                        const std::string& repository) {
  auto& slot = provider.questions[repository];
  if (slot) return slot;
  slot = std::make_shared<Question>(executor_);
  auto question = slot;
  tasks_.spawn("credential provider " + provider.spec.name, run(provider, repository, question));
  return question;
}

Awaitable<void> CredentialProviders::run(Provider& provider, std::string repository,
                                         std::shared_ptr<Question> question) {
  auto command = command_for(provider.spec, repository);
  const auto ran = co_await run_command(std::move(command));
  std::string failure;
  if (!ran || !ran->ok()) {
    failure = ran ? ran->describe() : ran.error().message;
  } else if (auto answer = parse_credential_answer(ran->out, provider.spec); !answer) {
    failure = answer.error().message;
  } else {
    keep(provider, repository, *answer);
    question->keyring = std::move(answer->keyring);
  }
  if (!failure.empty()) {
    log_warn("credential provider gave nothing",
             {{"provider", provider.spec.name}, {"image", repository}, {"error", failure}});
  }
  provider.questions.erase(repository);
  question->answered.open();
}

void CredentialProviders::keep(Provider& provider, const std::string& repository, const CredentialAnswer& answer) {
  const auto now = clock_.steady_now();
  std::erase_if(provider.kept, [&](const auto& entry) { return entry.second.until <= now; });
  if (answer.cache_for.count() <= 0) return;
  const auto longest = std::min<Nanoseconds>(answer.cache_for, std::chrono::hours(24 * 365));
  provider.kept[key_for(answer.for_what, repository)] = {answer.keyring, now + longest};
}

}  // namespace keelson::agent
