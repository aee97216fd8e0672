#include "kube/client/certificate_manager.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "../loop.hpp"
#include "../temp_dir.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"
#include "base/task_group.hpp"
#include "kube/client/client_identity.hpp"
#include "printing.hpp"
#include "scripted_api.hpp"

using namespace keelson;
using namespace keelson::kube;
using test::ScriptedApi;
using Answer = ScriptedApi::Answer;
using Json = nlohmann::json;

namespace {

// The cluster's side: keeps requests, and signs (here: the test's key signs itself, the manager cannot tell) when told.
struct Signer {
  Answer operator()(const ApiRequest& request) {
    if (request.method == "POST") {
      Json object = Json::parse(request.body);
      if (object["metadata"].contains("generateName")) object["metadata"]["name"] = "csr-x";
      const std::string name = object["metadata"]["name"];
      if (stored.contains(name)) return refusal(Errc::already_exists, "AlreadyExists");
      if (!may_create) return refusal(Errc::permission_denied, "Forbidden");
      stored[name] = object;
      return {{object.dump()}, Result<void>()};
    }
    if (request.path.find("watch=1") == std::string::npos) {
      return {{stored[request.path.substr(request.path.rfind('/') + 1)].dump()}, Result<void>()};
    }
    std::vector<std::string> lines;
    for (const auto& [name, object] : stored.items()) {
      lines.push_back(Json{{"type", "ADDED"}, {"object", object}}.dump());
    }
    return {lines, std::nullopt};
  }
  static Answer refusal(Errc code, const std::string& reason) {
    return {{}, Result<void>(make_error(code, "no", reason))};
  }
  // The watch event that settles request `name`.
  std::string settled(const std::string& name, const Json& status) {
    stored[name]["status"] = status;
    stored[name]["metadata"]["resourceVersion"] = std::to_string(++version);
    return Json{{"type", "MODIFIED"}, {"object", stored[name]}}.dump();
  }
  Json stored = Json::object();
  bool may_create = true;
  int version = 1;
};

Json denied() { return Json{{"conditions", Json::array({Json{{"type", "Denied"}, {"message", "not you"}}})}}; }

struct Fixture {
  Fixture()
      : api(std::make_shared<ScriptedApi>(loop.executor(), [this](const ApiRequest& r) { return signer(r); })),
        tasks(loop.executor()) {
    paths.kubeconfig = dir.path() / "kubelet.conf";
    paths.bootstrap_kubeconfig = dir.path() / "bootstrap.conf";
    paths.certificate_folder = dir.path() / "pki";
    ClientConfig bootstrap;
    bootstrap.server = "https://10.0.0.1:6443";
    bootstrap.token = "abcdef.0123456789abcdef";
    REQUIRE(write_kubeconfig(paths.bootstrap_kubeconfig, bootstrap));
  }
  ~Fixture() {
    tasks.cancel();
    loop.pump_until([&] { return tasks.size() == 0; });
  }
  // Starts the client certificate's manager.
  void start() {
    auto options = client_certificate_options(paths, "n1", api, [this](ClientConfig config) {
      connected_with = config.token;
      return api;
    });
    options.on_error = [this](const Error& error) { errors.push_back(error); };
    options.on_rotated = [this](const CertificatePair&) { ++rotated; };
    manager = std::make_unique<CertificateManager>(loop.executor(), pool, std::move(options));
    tasks.spawn("manager", manager->run());
  }
  // The cluster's certificate for the pending key.
  Json signed_status(Seconds lifetime) {
    const std::string key = *paths.store().pending_key();
    const auto pem = make_self_signed(key, {"system:node:n1", {"system:nodes"}}, {}, system_clock().now(), lifetime);
    return Json{{"certificate", base64_encode(*pem)}};
  }
  void put_certificate(Seconds lifetime) {
    const std::string key = make_private_key();
    const Time now = system_clock().now();
    REQUIRE(paths.store().store({*make_self_signed(key, {"old", {}}, {}, now, lifetime), key}, now));
  }
  std::string pending_name() { return signer.stored.begin().key(); }
  void until_watched() {
    loop.pump_until([&] { return api->open_streams == 1; });
  }

  testing::TempDir dir;
  keelson::testing::Loop loop;
  BlockingPool pool;
  Signer signer;
  std::shared_ptr<ScriptedApi> api;
  ClientIdentityPaths paths;
  std::unique_ptr<CertificateManager> manager;
  std::vector<Error> errors;
  int rotated = 0;
  std::string connected_with;
  TaskGroup tasks;
};

}  // namespace

TEST_CASE("a certificate is replaced after 70 to 90 % of its life", "[certificates]") {
  const Time begin = Time(Seconds(1'000'000));
  const Time end = begin + Seconds(1000);
  CHECK(rotation_deadline(begin, end, 0) == begin + Seconds(700));
  CHECK(rotation_deadline(begin, end, 0.5) == begin + Seconds(800));
  CHECK(rotation_deadline(begin, end, 0.9999) <= begin + Seconds(900));
  CHECK(certificate_retry_delay(1) == Seconds(2));
  CHECK(certificate_retry_delay(4) == Seconds(16));
  CHECK(certificate_retry_delay(9) == Seconds(32));
}

TEST_CASE("a request's name depends on key, subject and usages", "[certificates]") {
  const std::string key = make_private_key();
  const auto name = signing_request_name(key, {"a", {"b"}}, {"c"});
  REQUIRE(name);
  CHECK(name->starts_with("node-csr-"));
  CHECK(name->size() == 9 + 43);
  CHECK(*signing_request_name(key, {"a", {"b"}}, {"c"}) == *name);
  CHECK(*signing_request_name(key, {"ab", {}}, {"c"}) != *name);
  CHECK(*signing_request_name(make_private_key(), {"a", {"b"}}, {"c"}) != *name);
}

TEST_CASE("from a bootstrap token to a certificate", "[certificates]") {
  Fixture f;
  const auto identity = prepare_client_identity(f.paths, system_clock().now());
  REQUIRE(identity);
  CHECK(identity->rotates);
  CHECK(identity->config.server == "https://10.0.0.1:6443");
  CHECK(identity->config.token.empty());
  CHECK(*load_kubeconfig(f.paths.kubeconfig) == identity->config);
  f.start();
  f.until_watched();
  CHECK(f.connected_with == "abcdef.0123456789abcdef");
  const Json asked = f.signer.stored.begin().value();
  CHECK(f.pending_name().starts_with("node-csr-"));
  CHECK(asked["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet");
  CHECK(asked["spec"]["usages"] == Json{"digital signature", "client auth"});
  f.api->push_line(f.signer.settled(f.pending_name(), f.signed_status(Seconds(3600))));
  f.loop.pump_until([&] { return f.rotated == 1; });
  const auto pair = f.paths.store().current();
  REQUIRE(pair);
  CHECK(read_certificate(pair->certificate_pem)->subject == Subject{"system:node:n1", {"system:nodes"}});
  CHECK_FALSE(std::filesystem::exists(f.dir.path() / "pki/kubelet-client.key.tmp"));
  CHECK(f.errors.empty());
  CHECK(f.api->open_streams == 0);
}

TEST_CASE("a restart takes up the same request", "[certificates]") {
  Fixture f;
  f.start();
  f.until_watched();
  f.tasks.cancel();
  f.loop.pump_until([&] { return f.tasks.size() == 0; });
  f.start();
  f.until_watched();
  CHECK(f.signer.stored.size() == 1);
  CHECK(f.errors.empty());
}

TEST_CASE("a denied request is told, and the next has another key", "[certificates]") {
  Fixture f;
  f.start();
  f.until_watched();
  const std::string key = *f.paths.store().pending_key();
  f.api->push_line(f.signer.settled(f.pending_name(), denied()));
  f.loop.pump_until([&] { return f.errors.size() == 1; });
  CHECK(f.errors[0].code == Errc::permission_denied);
  CHECK(f.errors[0].reason == "Denied");
  CHECK(f.errors[0].message.find("not you") != std::string::npos);
  CHECK(*f.paths.store().pending_key() != key);
}

TEST_CASE("a certificate near its end is replaced with its own credentials", "[certificates]") {
  Fixture f;
  f.put_certificate(Seconds(60));  // an hour old and a minute left
  f.start();
  f.until_watched();
  CHECK(f.connected_with.empty());
  CHECK(f.pending_name() == "csr-x");
}

TEST_CASE("an expired certificate falls back to the bootstrap token, or tells", "[certificates]") {
  Fixture f;
  f.put_certificate(Seconds(-60));
  SECTION("bootstrap") {
    f.start();
    f.until_watched();
    CHECK(f.connected_with == "abcdef.0123456789abcdef");
  }
  SECTION("no bootstrap: recovers when somebody writes a new kubeconfig") {
    f.paths.bootstrap_kubeconfig.clear();
    f.start();
    f.loop.pump_until([&] { return f.errors.size() == 1; });
    CHECK(f.errors[0].message.find("expired") != std::string::npos);
    ClientConfig fresh;
    fresh.server = "https://10.0.0.1:6443";
    const std::string key = make_private_key();
    fresh.client_key.data = key;
    fresh.client_certificate.data =
        *make_self_signed(key, {"fresh", {}}, {}, system_clock().now(), std::chrono::hours(100));
    REQUIRE(write_kubeconfig(f.paths.kubeconfig, fresh));
    f.manager->wake();
    bool valid = false;
    struct Wait {
      static Awaitable<void> run(CertificateManager& manager, bool& valid) {
        co_await manager.wait_valid();
        valid = true;
      }
    };
    f.tasks.spawn("wait", Wait::run(*f.manager, valid));
    f.loop.pump_until([&] { return valid; });
    CHECK(read_certificate(f.paths.store().current()->certificate_pem)->subject.common_name == "fresh");
  }
}

TEST_CASE("a kubeconfig's own certificate moves into the store", "[certificates]") {
  Fixture f;
  const std::string key = make_private_key();
  const Time now = system_clock().now();
  ClientConfig config;
  config.server = "https://10.0.0.1:6443";
  config.client_key.data = key;
  config.client_certificate.data = *make_self_signed(key, {"embedded", {}}, {}, now, Seconds(3600));
  REQUIRE(write_kubeconfig(f.paths.kubeconfig, config));
  const auto identity = prepare_client_identity(f.paths, now);
  REQUIRE(identity);
  CHECK(identity->config.client_certificate.file == f.paths.store().current_path());
  CHECK(read_certificate(f.paths.store().current()->certificate_pem)->subject.common_name == "embedded");

  config.client_certificate = config.client_key = {};
  config.token = "t";
  REQUIRE(write_kubeconfig(f.paths.kubeconfig, config));
  const auto by_token = prepare_client_identity(f.paths, now);
  REQUIRE(by_token);
  CHECK_FALSE(by_token->rotates);
  CHECK(by_token->config == config);
  ClientIdentityPaths nothing = f.paths;
  nothing.kubeconfig = f.dir.path() / "none";
  nothing.bootstrap_kubeconfig.clear();
  CHECK(prepare_client_identity(nothing, now).error().code == Errc::not_found);
}

TEST_CASE("a serving certificate waits for the node's address and follows it", "[certificates]") {
  Fixture f;
  std::optional<SubjectAltNames> names = SubjectAltNames{{"n1"}, {}};
  auto options = serving_certificate_options(f.paths.certificate_folder, "n1", f.api, [&] { return names; });
  int rotated = 0;
  options.on_rotated = [&](const CertificatePair&) { ++rotated; };
  f.manager = std::make_unique<CertificateManager>(f.loop.executor(), f.pool, std::move(options));
  f.tasks.spawn("serving", f.manager->run());
  f.loop.pump_for(Milliseconds(50));
  CHECK(f.api->asked.empty());
  names->ips = {"10.0.0.7"};
  f.manager->wake();
  f.until_watched();
  CHECK(f.signer.stored["csr-x"]["spec"]["signerName"] == "kubernetes.io/kubelet-serving");
  const std::string key = *CertificateStore(f.paths.certificate_folder, "kubelet-server").pending_key();
  const auto pem = make_self_signed(key, {"system:node:n1", {"system:nodes"}}, *names, system_clock().now(),
                                    std::chrono::hours(100));
  f.api->push_line(f.signer.settled("csr-x", Json{{"certificate", base64_encode(*pem)}}));
  f.loop.pump_until([&] { return rotated == 1; });
  f.signer.stored.clear();
  names->ips = {"10.0.0.8"};
  f.manager->wake();
  f.until_watched();
  CHECK(f.signer.stored.size() == 1);
}

TEST_CASE("the self-signed certificate is kept while it fits", "[certificates]") {
  const testing::TempDir dir;
  const Time now = system_clock().now();
  const auto first = ensure_self_signed(dir.path(), "n1", {{"n1"}, {"10.0.0.1"}}, now);
  REQUIRE(first);
  CHECK(*ensure_self_signed(dir.path(), "n1", {{"n1"}, {}}, now) == *first);
  CHECK_FALSE(*ensure_self_signed(dir.path(), "n1", {{"n1"}, {"10.0.0.2"}}, now) == *first);
  const auto later = ensure_self_signed(dir.path(), "n1", {{"n1"}, {}}, now + std::chrono::hours(24 * 366));
  REQUIRE(later);
  CHECK(check_key_pair(later->certificate_pem, later->key_pem));
}
