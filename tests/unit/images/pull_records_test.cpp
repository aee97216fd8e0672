#include "agent/images/pull_records.hpp"

#include <catch2/catch.hpp>

#include "../loop.hpp"
#include "../temp_dir.hpp"
#include "agent/images/pull_record_files.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"
#include "kube/time.hpp"

using namespace keelson;
using namespace keelson::agent;
using Policy = PullVerification::Policy;

namespace {

const PullSecret kMine{"u1", "team", "mine", "aaaa"};
const PullSecret kOther{"u2", "team", "other", "bbbb"};

PulledRecord record_with(PullAccess access) {
  PulledRecord out;
  out.ref = "sha256:1";
  out.by_repository["registry.example/app"] = std::move(access);
  return out;
}

Awaitable<bool> done(Awaitable<void> task) {
  co_await std::move(task);
  co_return true;
}

const char* const kName = "registry.example/app:1";

}  // namespace

TEST_CASE("pull records: who has to pull an image that is here") {
  struct Row {
    std::string what;
    std::optional<PulledRecord> record;
    bool intended;
    std::vector<PullSecret> secrets;
    bool expected;
  };
  const PullSecret same_words{"u9", "elsewhere", "copy", "aaaa"};
  const PullSecret rotated{"u1", "team", "mine", "cccc"};
  const PullSecret no_hash{"u3", "team", "third", ""};
  const std::vector<Row> rows = {
      {"one that was here before", {}, false, {}, false},
      {"an agent died while it pulled it", {}, true, {kMine}, true},
      {"pulled without credentials", record_with({true, {}}), false, {}, false},
      {"with this Secret", record_with({false, {kMine}}), false, {kMine}, false},
      {"with another", record_with({false, {kMine}}), false, {kOther}, true},
      {"by a pod that has none", record_with({false, {kMine}}), false, {}, true},
      {"another Secret that says the same", record_with({false, {kMine}}), false, {same_words}, false},
      {"the same Secret that says another thing", record_with({false, {kMine}}), false, {rotated}, false},
      {"one of several", record_with({false, {kOther, kMine}}), false, {rotated, kMine}, false},
      {"a hash that is missing equals none", record_with({false, {{"u4", "a", "b", ""}}}), false, {no_hash}, true},
      {"nobody knows with what", record_with({false, {}}), false, {kMine}, true},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    const auto* record = row.record ? &*row.record : nullptr;
    CHECK(must_pull({}, kName, record, row.intended, row.secrets) == row.expected);
    CHECK_FALSE(must_pull({Policy::never, {}}, kName, record, row.intended, row.secrets));
  }
  const auto other_repository = record_with({true, {}});
  CHECK(must_pull({}, "registry.example/app2:1", &other_repository, false, {}));
  CHECK(must_pull({Policy::always, {}}, kName, nullptr, false, {}));
}

TEST_CASE("pull records: images on the list are for every pod") {
  const auto secret = record_with({false, {kMine}});
  for (const auto& [entry, exempt] : std::vector<std::pair<std::string, bool>>{{"registry.example/app", true},
                                                                               {"registry.example/*", true},
                                                                               {"registry.example/app:1", true},
                                                                               {"registry.example/ap", false},
                                                                               {"registry.example/app/*", false}}) {
    INFO(entry);
    const PullVerification verification{Policy::never_allowlisted, {entry}};
    CHECK(must_pull(verification, kName, &secret, false, {}) != exempt);
    CHECK(must_pull(verification, kName, nullptr, false, {}) != exempt);
  }
}

TEST_CASE("pull records: what a pull adds") {
  auto record = record_with({false, {kMine}});
  CHECK_FALSE(grant(record, "registry.example/app", {false, {kMine}}));
  CHECK(grant(record, "registry.example/app", {false, {kOther}}));
  CHECK(record.by_repository["registry.example/app"].secrets.size() == 2);
  CHECK(grant(record, "registry.example/app", {false, {{"u1", "team", "mine", "new"}}}));
  CHECK(record.by_repository["registry.example/app"].secrets[0].hash == "new");
  CHECK(grant(record, "registry.example/copy", {true, {}}));
  CHECK(grant(record, "registry.example/app", {true, {}}));
  CHECK(record.by_repository["registry.example/app"].secrets.empty());
  CHECK_FALSE(grant(record, "registry.example/app", {false, {kMine}}));
}

TEST_CASE("pull records: read and written as the kubelet does") {
  auto record = record_with({false, {kMine, kOther}});
  record.by_repository["docker.io/library/nginx"] = {true, {}};
  record.updated = *kube::parse_time("2026-01-02T03:04:05Z");
  CHECK(*decode_pulled(encode_pulled(record)) == record);
  const auto theirs = decode_pulled(
      R"({"kind":"ImagePulledRecord","apiVersion":"kubelet.config.k8s.io/v1alpha1","lastUpdatedTime":"2024-10-21T12:26:40Z",
          "imageRef":"sha256:5","credentialMapping":{"docker.io/team/app":{"kubernetesSecrets":[{"uid":"u","namespace":"n",
          "name":"s","credentialHash":"h"}]},"docker.io/team/free":{"nodePodsAccessible":true}}})");
  REQUIRE(theirs.has_value());
  CHECK(theirs->by_repository.at("docker.io/team/app").secrets == std::vector<PullSecret>{{"u", "n", "s", "h"}});
  CHECK(theirs->by_repository.at("docker.io/team/free").every_pod);
  for (const auto* bad : {"", "{}", R"({"kind":"ImagePulledRecord"})",
                          R"({"kind":"ImagePulledRecord","imageRef":"x","credentialMapping":[]})"}) {
    INFO(bad);
    CHECK_FALSE(decode_pulled(bad).has_value());
  }
  CHECK(decode_intent(encode_intent("a:1")) == "a:1");
  CHECK(decode_intent("{}").empty());
  // sha256 of {"username":"a<b","password":"p"} as Go's encoding/json writes it.
  CHECK(credential_hash("a<b", "p") == to_hex(sha256(R"({"username":"a\u003cb","password":"p"})")));
  CHECK(repository_of("nginx:1") == "docker.io/library/nginx");
  CHECK(repository_of("registry.example:5000/a/b@sha256:" + std::string(64, 'a')) == "registry.example:5000/a/b");
}

TEST_CASE("pull records: they outlive the agent") {
  testing::Loop loop;
  const keelson::testing::TempDir dir;
  BlockingPool pool;
  const auto run = [&](Awaitable<void> task) { loop.run(done(std::move(task))); };
  const auto make = [&] { return PullRecords(pool, system_clock(), dir.path() / "image_manager", {}); };
  {
    auto records = make();
    run(records.intend(kName));
    CHECK(records.must_pull(kName, "sha256:1", {kMine}));
    run(records.pulled(kName, "sha256:1", {false, {kMine}}));
    run(records.intend("other:1"));  // and the agent dies
    run(records.intend("third:1"));
    run(records.failed("third:1"));
  }
  auto records = make();
  records.load();
  CHECK_FALSE(records.must_pull(kName, "sha256:1", {kMine}));
  CHECK(records.must_pull(kName, "sha256:1", {kOther}));
  CHECK(records.must_pull("other:1", "sha256:2", {}));
  CHECK_FALSE(records.must_pull("third:1", "sha256:3", {}));
  records.removed("sha256:1");
  CHECK_FALSE(records.must_pull(kName, "sha256:1", {}));
  REQUIRE(write_file_atomic(record_path(dir.path() / "image_manager" / "pulled", "x"), "{", 0600).has_value());
  auto again = make();
  again.load();
  CHECK_FALSE(again.must_pull(kName, "sha256:1", {}));
}
