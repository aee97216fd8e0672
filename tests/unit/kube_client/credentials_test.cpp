#include "kube/client/credentials.hpp"

#include <catch2/catch.hpp>

#include "../temp_dir.hpp"
#include "base/files.hpp"
#include "kube/client/certificate_store.hpp"
#include "printing.hpp"

using namespace keelson;
using namespace keelson::kube;
using Strings = std::vector<std::string>;

namespace {

const Time kNow = Time(Seconds(1'800'000'000));

CertificatePair make_pair(const std::string& name, Seconds lifetime = Seconds(3600)) {
  const std::string key = make_private_key();
  return {*make_self_signed(key, {name, {}}, {}, kNow, lifetime), key};
}

}  // namespace

TEST_CASE("a self-signed certificate carries subject, names and dates", "[credentials]") {
  const std::string key = make_private_key();
  const Subject subject{"system:node:n", {"system:nodes"}};
  const SubjectAltNames names{{"n", "n.example"}, {"10.0.0.1", "fd00::1"}};
  const auto pem = make_self_signed(key, subject, names, kNow, Seconds(600));
  REQUIRE(pem);
  const auto facts = read_certificate(*pem);
  REQUIRE(facts);
  CHECK(facts->subject == subject);
  CHECK(facts->issuer == subject);
  CHECK(facts->names == names);
  CHECK(facts->not_before == kNow - std::chrono::hours(1));
  CHECK(facts->not_after == kNow + Seconds(600));
  CHECK(check_key_pair(*pem, key));
  CHECK(check_key_pair(*pem + key, *pem + key));  // one file for both
  CHECK_FALSE(check_key_pair(*pem, make_private_key()));
  CHECK(public_key_hash(*pem)->size() == 64);
}

TEST_CASE("a certificate request is for its key", "[credentials]") {
  const std::string key = make_private_key();
  const auto request = make_certificate_request(key, {"system:node:n", {"system:nodes"}}, {{"n"}, {"10.0.0.1"}});
  REQUIRE(request);
  CHECK(request->starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
  CHECK(*request_key_der(*request) == *public_key_der(key));
  CHECK_FALSE(make_certificate_request(key, {"n", {}}, {{}, {"10.0.0"}}));
  CHECK_FALSE(make_certificate_request("no key", {"n", {}}));
  CHECK_FALSE(request_key_der("nothing"));
}

TEST_CASE("broken PEM is told", "[credentials]") {
  const auto pair = make_pair("a");
  CHECK(check_certificates(pair.certificate_pem + pair.certificate_pem));
  CHECK_FALSE(check_certificates(""));
  CHECK_FALSE(check_certificates(pair.key_pem));
  CHECK_FALSE(
      check_certificates(pair.certificate_pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  CHECK_FALSE(read_certificate("x"));
}

TEST_CASE("the store switches from one file to the next", "[certificate_store]") {
  const testing::TempDir dir;
  const CertificateStore store(dir.path() / "pki", "kubelet-client");
  CHECK(store.current().error().code == Errc::not_found);
  for (int i = 0; i < 4; ++i) {
    const auto pair = make_pair("n" + std::to_string(i));
    REQUIRE(store.store(pair, kNow + Seconds(i)));
    const auto current = store.current();
    REQUIRE(current);
    CHECK(read_certificate(current->certificate_pem)->subject.common_name == "n" + std::to_string(i));
    CHECK(check_key_pair(current->certificate_pem, current->key_pem));
  }
  CHECK(*list_dir(dir.path() / "pki") == Strings{"kubelet-client-2027-01-15-08-00-02.pem",
                                                 "kubelet-client-2027-01-15-08-00-03.pem",
                                                 "kubelet-client-current.pem"});
  CHECK(std::filesystem::read_symlink(store.current_path()) == "kubelet-client-2027-01-15-08-00-03.pem");
  CHECK_FALSE(store.store({make_pair("a").certificate_pem, make_private_key()}, kNow));
}

TEST_CASE("a pending key stays until it is dropped", "[certificate_store]") {
  const testing::TempDir dir;
  const CertificateStore store(dir.path(), "kubelet-client");
  const auto key = store.pending_key();
  REQUIRE(key);
  CHECK(*store.pending_key() == *key);
  REQUIRE(store.drop_pending_key());
  CHECK(*store.pending_key() != *key);
  REQUIRE(write_file_atomic(dir.path() / "kubelet-client.key.tmp", "torn"));
  CHECK(public_key_der(*store.pending_key()));
}
