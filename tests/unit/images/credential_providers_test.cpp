#include "agent/images/credential_providers.hpp"

#include <algorithm>
#include <boost/asio/detached.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "../loop.hpp"
#include "../temp_dir.hpp"

using namespace keelson;
using namespace keelson::agent;
using keelson::testing::Loop;
using keelson::testing::TempDir;

namespace {

const std::string kV1 = "credentialprovider.kubelet.k8s.io/v1";

std::string config(const std::string& providers) {
  return "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n" + providers;
}

std::string provider(const std::string& name, const std::string& more = {}) {
  return "- {name: " + name + ", matchImages: [\"*.example\"], defaultCacheDuration: 1h, apiVersion: " + kV1 + more +
         "}\n";
}

std::string refused(const std::string& text) {
  const auto parsed = parse_credential_providers(text, "providers.yaml", "/bin-dir");
  return parsed ? "" : parsed.error().message;
}

CredentialProviderSpec spec() {
  return {.name = "ecr",
          .program = "/ecr",
          .match_images = {"*.example"},
          .cache_for = Seconds(60),
          .api_version = kV1,
          .args = {},
          .env = {}};
}

std::string answer(const std::string& rest, const std::string& version = kV1) {
  return R"({"kind": "CredentialProviderResponse", "apiVersion": ")" + version + "\", " + rest + "}";
}

std::string refused_answer(const std::string& text) {
  const auto parsed = parse_credential_answer(text, spec());
  return parsed ? "" : parsed.error().message;
}

// Programs of a provider that count how often they ran, and what they were told.
struct Fixture {
  void write(const std::string& name, const std::string& script) {
    const auto path = dir.path() / name;
    std::ofstream(path) << "#!/bin/sh\ncd \"${0%/*}\"\necho x >> " << name << ".runs\ncat > " << name << ".request\n"
                        << script;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
  void write_answer(const std::string& name, const std::string& rest) {
    write(name, "cat <<EOF\n" + answer(rest) + "\nEOF\n");
  }
  CredentialProviders make(const std::string& providers) {
    auto specs = parse_credential_providers(config(providers), "providers.yaml", dir.path());
    REQUIRE(specs.has_value());
    return CredentialProviders(loop.executor(), system_clock(), std::move(*specs));
  }
  std::string users(CredentialProviders& providers, const std::string& repository) {
    std::string out;
    for (const auto& auth : loop.run(providers.find(repository))) out += auth.username + ":" + auth.password + " ";
    return out;
  }
  std::size_t runs(const std::string& name) {
    std::ifstream in(dir.path() / (name + ".runs"));
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(in), {}, '\n'));
  }
  std::string read(const std::string& name) {
    std::ifstream in(dir.path() / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  TempDir dir;
  Loop loop;
};

}  // namespace

TEST_CASE("credential providers of a configuration", "[credentials]") {
  const auto text = config(provider("ecr", ", args: [get], env: [{name: AWS_PROFILE, value: node}]"));
  const auto parsed = parse_credential_providers(text, "providers.yaml", "/bin-dir");
  REQUIRE(parsed.has_value());
  REQUIRE(parsed->size() == 1);
  const auto& only = parsed->front();
  CHECK(only.program == "/bin-dir/ecr");
  CHECK(only.match_images == std::vector<std::string>{"*.example"});
  CHECK(only.cache_for == std::chrono::hours(1));
  CHECK(only.args == std::vector<std::string>{"get"});
  CHECK(only.env == std::vector<std::pair<std::string, std::string>>{{"AWS_PROFILE", "node"}});
}

TEST_CASE("what is wrong with such a configuration", "[credentials]") {
  CHECK(refused("kind: CredentialProviderConfig") == "providers.yaml: apiVersion: expected kubelet.config.k8s.io/v1");
  CHECK(refused(config("[]")) == "providers.yaml: providers: Required value");
  CHECK(refused(config(provider("ecr", ", colour: red"))) == "providers.yaml: providers[0].colour: unknown field");
  CHECK(
      refused(config(provider("a/b"))) ==
      "providers.yaml: providers[0].name: Invalid value: \"a/b\": must be the name of a file, without '/' and spaces");
  CHECK(refused(config("- {name: a}")) ==
        "providers.yaml: providers[0].apiVersion: Required value; providers[0].matchImages: Required value; "
        "providers[0].defaultCacheDuration: Required value");
  CHECK(refused(config("- {name: a, matchImages: [x], defaultCacheDuration: -1s, apiVersion: v7}"))
            .find("providers[0].defaultCacheDuration: Invalid value: \"-1s\"") != std::string::npos);
  CHECK(refused(config(provider("a", ", tokenAttributes: {serviceAccountTokenAudience: x}"))) ==
        "providers.yaml: providers[0].tokenAttributes: Forbidden: this agent gives providers no tokens of "
        "ServiceAccounts");
}

TEST_CASE_METHOD(Fixture, "credential providers of files", "[credentials]") {
  const auto folder = dir.path() / "config";
  std::filesystem::create_directory(folder);
  CHECK(load_credential_providers(folder, dir.path()).error().message ==
        folder.string() + ": no *.json, *.yaml or *.yml files");
  std::ofstream(folder / "b.yaml") << config(provider("second"));
  std::ofstream(folder / "a.yml") << config(provider("first"));
  std::ofstream(folder / "ignored.txt") << "x";
  CHECK(load_credential_providers(folder, dir.path()).error().message.find("provider first: " + dir.path().string()) !=
        std::string::npos);
  for (const char* name : {"first", "second"}) write(name, "");
  const auto both = load_credential_providers(folder, dir.path());
  REQUIRE(both.has_value());
  CHECK((both->size() == 2 && both->front().name == "first"));
  std::ofstream(folder / "c.json") << config(provider("first"));
  CHECK(load_credential_providers(folder, dir.path()).error().message ==
        (folder / "c.json").string() + ": provider first: another one has this name");
}

TEST_CASE("what a credential provider answers", "[credentials]") {
  const auto parsed = parse_credential_answer(
      answer(
          R"("cacheKeyType": "Registry", "cacheDuration": "5m", "auth": {"a.example": {"username": "u", "password": "p"}})"),
      spec());
  REQUIRE(parsed.has_value());
  CHECK(parsed->for_what == CredentialAnswer::For::registry);
  CHECK(parsed->cache_for == std::chrono::minutes(5));
  CHECK(parsed->keyring.find("a.example/app") == std::vector<RegistryAuth>{{"u", "p"}});
  CHECK(parse_credential_answer(answer(R"("cacheKeyType": "Global")"), spec())->cache_for == Seconds(60));
  CHECK(refused_answer("secret") == "CredentialProviderResponse: not a JSON object");
  CHECK(refused_answer(answer(R"("cacheKeyType": "Image")", "v7")) ==
        "CredentialProviderResponse: apiVersion: expected " + kV1);
  CHECK(refused_answer(answer(R"("auth": {})")) ==
        "CredentialProviderResponse: cacheKeyType: must be one of Image, Registry, Global");
  CHECK(refused_answer(answer(R"("cacheKeyType": "Image", "auth": {"a": "secret"})")) ==
        "CredentialProviderResponse: auth: expected an object for each location");
}

TEST_CASE_METHOD(Fixture, "a provider is asked once for all that its answer is for", "[credentials]") {
  write_answer("image", R"("cacheKeyType": "Image", "auth": {"a.example": {"username": "$WHO", "password": "$1"}})");
  auto by_image = make(provider("image", ", args: [one], env: [{name: WHO, value: me}]"));
  CHECK(by_image.to_ask("a.example/app") == "image");
  CHECK(users(by_image, "a.example/app") == "me:one ");
  CHECK(
      read("image.request") ==
      R"({"apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"a.example/app","kind":"CredentialProviderRequest"})");
  CHECK(by_image.to_ask("a.example/app").empty());
  CHECK(users(by_image, "a.example/app") == "me:one ");
  CHECK(runs("image") == 1);
  CHECK(users(by_image, "a.example/other") == "me:one ");
  CHECK(runs("image") == 2);
  CHECK(users(by_image, "a.elsewhere/app").empty());
  CHECK(by_image.to_ask("a.elsewhere/app").empty());
  CHECK(runs("image") == 2);

  write_answer("registry", R"("cacheKeyType": "Registry", "auth": {"*.example": {"username": "u", "password": "p"}})");
  auto by_registry = make(provider("registry"));
  for (const char* repository : {"a.example/app", "a.example/other"}) CHECK(users(by_registry, repository) == "u:p ");
  CHECK(runs("registry") == 1);
  CHECK(users(by_registry, "b.example/app") == "u:p ");
  CHECK(runs("registry") == 2);
  CHECK(users(by_registry, "b.example/app") == "u:p ");
  CHECK(runs("registry") == 2);
}

TEST_CASE_METHOD(Fixture, "an answer that is not to be kept is asked for again", "[credentials]") {
  write_answer("ecr", R"("cacheKeyType": "Global", "cacheDuration": "0s", "auth": {"*.example": {"username": "u"}})");
  auto providers = make(provider("ecr"));
  for (std::size_t i = 1; i <= 2; ++i) {
    CHECK(users(providers, "a.example/app") == "u: ");
    CHECK(runs("ecr") == i);
  }
}

TEST_CASE_METHOD(Fixture, "several providers give in their order; one that fails gives nothing", "[credentials]") {
  write("broken", "echo no such role >&2; exit 3\n");
  write("silent", "exit 0\n");
  write_answer("first", R"("cacheKeyType": "Image", "auth": {"a.example": {"username": "u1"}})");
  write_answer("second", R"("cacheKeyType": "Image", "auth": {"a.example": {"username": "u2"}})");
  auto providers = make(provider("broken") + provider("first") + provider("silent") + provider("second"));
  CHECK(providers.to_ask("a.example/app") == "broken, first, silent, second");
  CHECK(users(providers, "a.example/app") == "u1: u2: ");
  CHECK(providers.to_ask("a.example/app") == "broken, silent");
}

TEST_CASE_METHOD(Fixture, "who wants to know the same meanwhile waits for the same answer", "[credentials]") {
  write("slow",
        "sleep 0.3; cat <<EOF\n" +
            answer(R"("cacheKeyType": "Image", "cacheDuration": "0s", "auth": {"a.example": {"username": "u"}})") +
            "\nEOF\n");
  auto providers = make(provider("slow"));
  std::size_t answered = 0;
  const auto ask = [&]() -> Awaitable<void> {
    const auto found = co_await providers.find("a.example/app");
    answered += found.size();
  };
  for (int i = 0; i < 3; ++i) asio::co_spawn(loop.executor(), ask(), asio::detached);
  loop.pump_until([&] { return answered == 3; });
  CHECK(runs("slow") == 1);
}
