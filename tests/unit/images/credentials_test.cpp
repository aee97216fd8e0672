#include <catch2/catch.hpp>

#include "agent/images/credentials.hpp"
#include "agent/images/pull_rate.hpp"
#include "base/strings.hpp"

using namespace keelson;
using namespace keelson::agent;

namespace {

RegistryAuth user(const std::string& name) { return {name, "secret"}; }

// The users whose credentials are tried for the image, in order.
std::vector<std::string> users(const Keyring& keyring, const std::string& image) {
  std::vector<std::string> out;
  for (const auto& auth : keyring.find(image)) out.push_back(auth.username);
  return out;
}

Keyring of(const std::vector<std::string>& locations) {
  Keyring out;
  for (const auto& location : locations) out.add(location, user(location));
  return out;
}

using Users = std::vector<std::string>;

std::shared_ptr<const kube::Secret> make_secret(const std::string& name, const std::string& type,
                                                const std::string& key, const std::string& text) {
  auto out = std::make_shared<kube::Secret>();
  out->metadata.ns = "default";
  out->metadata.name = name;
  out->type = type;
  out->data[key] = text;
  return out;
}

}  // namespace

TEST_CASE("credentials are found by registry", "[credentials]") {
  const auto keyring = of({"registry.example:5000", "other.example"});
  CHECK(users(keyring, "registry.example:5000/app:1") == Users{"registry.example:5000"});
  CHECK(users(keyring, "other.example/a/b@sha256:" + std::string(64, 'a')) == Users{"other.example"});
  CHECK(users(keyring, "registry.example/app:1").empty());
  CHECK(users(keyring, "registry.example:5001/app:1").empty());
  CHECK(users(keyring, "busybox").empty());
}

TEST_CASE("the longest path that matches comes first", "[credentials]") {
  const auto keyring = of({"registry.example", "registry.example/team/app", "registry.example/team"});
  CHECK(users(keyring, "registry.example/team/app") ==
        Users{"registry.example/team/app", "registry.example/team", "registry.example"});
  CHECK(users(keyring, "registry.example/team/x") == Users{"registry.example/team", "registry.example"});
  CHECK(users(keyring, "registry.example/else") == Users{"registry.example"});
}

TEST_CASE("locations may be URLs and globs", "[credentials]") {
  CHECK(users(of({"https://registry.example/v2/"}), "registry.example/app").size() == 1);
  CHECK(users(of({"http://registry.example/v1/team"}), "registry.example/team/app").size() == 1);
  CHECK(users(of({"http://registry.example/v1/team"}), "registry.example/app").empty());
  CHECK(users(of({"*.example"}), "registry.example/app").size() == 1);
  CHECK(users(of({"*.example"}), "a.registry.example/app").empty());
  CHECK(users(of({"reg*.*.io:5000"}), "registry.test.io:5000/app").size() == 1);
  CHECK(users(of({"*"}), "registry.example/app").empty());
}

TEST_CASE("the default registry has a name of its own", "[credentials]") {
  const auto keyring = of({"https://index.docker.io/v1/"});
  CHECK(users(keyring, "busybox").size() == 1);
  CHECK(users(keyring, "docker.io/team/app:1").size() == 1);
  CHECK(users(keyring, "registry.example/app").empty());
}

TEST_CASE("documents of both kinds are read", "[credentials]") {
  const auto encoded = base64_encode("me:pass:word");
  Keyring keyring;
  REQUIRE(keyring.add_document(R"({"auths":{"a.example":{"username":"u","password":"p"}}})", false).has_value());
  REQUIRE(keyring.add_document(R"({"b.example":{"auth":")" + encoded + R"(","email":"x"}})", true).has_value());
  REQUIRE(keyring.add_document(R"({"auths":{}})", false).has_value());
  REQUIRE(keyring.add_document(R"({"credsStore":"x"})", false).has_value());
  CHECK(keyring.find("a.example/x").front() == RegistryAuth{"u", "p"});
  CHECK(keyring.find("b.example/x").front() == RegistryAuth{"me", "pass:word"});
}

TEST_CASE("an unpadded auth is read", "[credentials]") {
  auto encoded = base64_encode("user:pw");
  while (encoded.ends_with('=')) encoded.pop_back();
  Keyring keyring;
  REQUIRE(keyring.add_document(R"({"auths":{"a.example":{"auth":")" + encoded + R"("}}})", false).has_value());
  CHECK(keyring.find("a.example/x").front() == RegistryAuth{"user", "pw"});
}

TEST_CASE("what is wrong with a document is said without its secrets", "[credentials]") {
  Keyring keyring;
  const auto message = [&](const std::string& text) {
    const auto done = keyring.add_document(text, false);
    return done ? std::string("fine") : done.error().message;
  };
  CHECK(message("[") == "not a JSON object");
  CHECK(message(R"({"auths":[]})") == "auths: expected an object");
  CHECK(message(R"({"auths":{"a":"hush"}})") == "credentials for \"a\": expected an object");
  CHECK(message(R"({"auths":{"a":{"auth":"@@@@"}}})") == "credentials for \"a\": auth is not base64");
  CHECK(message(R"({"auths":{"a":{"auth":"aHVzaA=="}}})") == "credentials for \"a\": auth is not \"user:password\"");
  CHECK(keyring.empty());
}

TEST_CASE("a pod's pull secrets: found, missing, of the wrong kind", "[credentials]") {
  kube::Pod pod;
  pod.metadata.ns = "default";
  for (const char* name : {"good", "gone", "opaque", "broken", "lost"}) pod.spec.image_pull_secrets.push_back({name});
  kube::ObjectSet objects;
  const auto put = [&](const std::shared_ptr<const kube::Secret>& s) {
    objects.secrets[kube::object_key(s->metadata)] = s;
  };
  const char* json = "kubernetes.io/dockerconfigjson";
  put(make_secret("good", json, ".dockerconfigjson", R"({"auths":{"a.example":{"username":"u","password":"p"}}})"));
  put(make_secret("opaque", "Opaque", ".dockerconfigjson", "{}"));
  put(make_secret("broken", json, ".dockerconfigjson", "hush"));
  put(make_secret("lost", "kubernetes.io/dockercfg", "other", "{}"));
  const auto got = read_pull_secrets(pod, objects);
  CHECK(got.missing == std::vector<std::string>{"gone"});
  REQUIRE(got.unreadable.size() == 3);
  CHECK(got.unreadable[0].starts_with("opaque: type \"Opaque\""));
  CHECK(got.unreadable[1] == "broken: .dockerconfigjson: not a JSON object");
  CHECK(got.unreadable[2] == "lost: no .dockercfg");
  CHECK(got.keyring.find("a.example/app").size() == 1);
}

TEST_CASE("pulls begin at a bounded rate", "[pulls]") {
  SteadyTime now{Seconds(1000)};
  PullRate rate(5, 2);
  CHECK(rate.take(now).count() == 0);
  CHECK(rate.take(now).count() == 0);
  CHECK(rate.take(now) == Milliseconds(200));
  CHECK(rate.take(now) == Milliseconds(400));
  now += Seconds(10);
  CHECK(rate.take(now).count() == 0);
  PullRate unbounded(0, 1);
  for (int i = 0; i < 100; ++i) CHECK(unbounded.take(now).count() == 0);
}
