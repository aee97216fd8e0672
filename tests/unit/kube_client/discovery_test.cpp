#include "kube/client/discovery.hpp"

#include <catch2/catch.hpp>

#include "base/strings.hpp"
#include "kube/client/credentials.hpp"

using namespace keelson;
using namespace keelson::kube;

namespace {

struct Cluster {
  std::string ca, hash;
  Cluster() {
    const auto key = make_private_key();
    ca = *make_self_signed(key, {.common_name = "ca", .organizations = {}}, {}, std::chrono::system_clock::now(),
                           Seconds(3600));
    hash = "sha256:" + *public_key_hash(ca);
  }
  [[nodiscard]] std::string document() const {
    return "apiVersion: v1\nkind: Config\nclusters:\n- name: ''\n  cluster:\n    server: https://10.0.0.1:6443\n"
           "    certificate-authority-data: " +
           base64_encode(ca) + "\n";
  }
};

const BootstrapToken kToken{"abcdef", "0123456789abcdef"};

}  // namespace

TEST_CASE("bootstrap tokens are read, and nothing that only looks like one") {
  CHECK(parse_bootstrap_token("abcdef.0123456789abcdef")->id == "abcdef");
  for (const char* bad : {"", "abcdef", "abcdef.0123", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcde!"}) {
    INFO(bad);
    CHECK(parse_bootstrap_token(bad).error().code == Errc::invalid_argument);
  }
}

TEST_CASE("a detached signature as Kubernetes' bootstrap signer makes it") {
  // HS256 over base64url(header) "." base64url(payload), keyed with the token's secret (RFC 7515, appendix F).
  const auto jws = sign_detached("payload", kToken);
  CHECK(jws.starts_with("eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9.."));
  CHECK(jws == sign_detached("payload", kToken));
  CHECK(jws != sign_detached("payload", {"abcdef", "0123456789abcdee"}));
}

TEST_CASE("the cluster is believed only with the token's signature and a known CA") {
  const Cluster cluster, other;
  const auto document = cluster.document();
  const std::map<std::string, std::string> good = {{"kubeconfig", document},
                                                   {"jws-kubeconfig-abcdef", sign_detached(document, kToken)}};
  const auto found = verified_cluster(good, kToken, {other.hash, cluster.hash});
  REQUIRE(found.has_value());
  CHECK(found->server == "https://10.0.0.1:6443");
  CHECK(found->ca.data == cluster.ca);

  CHECK(verified_cluster(good, kToken, {other.hash}).error().message.find(cluster.hash) != std::string::npos);
  CHECK(verified_cluster({{"kubeconfig", document}}, kToken, {cluster.hash}).error().code == Errc::permission_denied);
  CHECK(verified_cluster(good, {"abcdef", "ffffffffffffffff"}, {cluster.hash}).error().code == Errc::permission_denied);
  auto changed = good;
  changed["kubeconfig"] = other.document();
  CHECK(verified_cluster(changed, kToken, {other.hash}).error().code == Errc::permission_denied);
  auto broken = good;
  broken["kubeconfig"] = "clusters: []";
  broken["jws-kubeconfig-abcdef"] = sign_detached("clusters: []", kToken);
  CHECK(verified_cluster(broken, kToken, {cluster.hash}).error().code == Errc::invalid_argument);
}
