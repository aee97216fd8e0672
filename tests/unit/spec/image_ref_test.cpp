#include "agent/spec/image_ref.hpp"

#include <catch2/catch.hpp>

#include "printing.hpp"

namespace keelson::spec {
namespace {

const std::string kHex64(64, 'a');
const std::string kDigest = "@sha256:" + kHex64;

TEST_CASE("parse_image_reference follows Docker's names") {
  struct Case {
    std::string text;
    std::string normalized;
  };
  const Case cases[] = {
      {"busybox", "docker.io/library/busybox:latest"},
      {"busybox:1.36", "docker.io/library/busybox:1.36"},
      {"bitnami/redis", "docker.io/bitnami/redis:latest"},
      {"docker.io/busybox", "docker.io/library/busybox:latest"},
      {"index.docker.io/busybox", "docker.io/library/busybox:latest"},
      {"registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"},
      {"localhost/app", "localhost/app:latest"},
      {"localhost:5000/app", "localhost:5000/app:latest"},
      {"127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c:v1"},
      {"[fd00::1]:5000/app:1", "[fd00::1]:5000/app:1"},
      {"Upper/app", "Upper/app:latest"},  // an upper-case first part can only be a host
      {"busybox" + kDigest, "docker.io/library/busybox" + kDigest},
      {"busybox:1.36" + kDigest, "docker.io/library/busybox:1.36" + kDigest},
      {"a__b/c-d--e.f_g:_tag.1-x", "docker.io/a__b/c-d--e.f_g:_tag.1-x"},
  };
  for (const auto& [text, normalized] : cases) {
    CAPTURE(text);
    const auto got = parse_image_reference(text);
    REQUIRE(got);
    CHECK(got->normalized() == normalized);
  }
}

TEST_CASE("parse_image_reference refuses what is no reference") {
  struct Case {
    std::string text;
    std::string why;
  };
  const Case cases[] = {
      {"", "invalid reference format"},
      {"Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"},
      {"a//b", "invalid reference format"},
      {"/busybox", "invalid reference format"},
      {"busybox:", "invalid reference format"},
      {"busybox:bad tag", "invalid reference format"},
      {"busybox:" + std::string(129, 'x'), "invalid reference format"},
      {"-busybox", "invalid reference format"},
      {"a___b", "invalid reference format"},
      {"a..b", "invalid reference format"},
      {"reg.io:port/app", "invalid reference format"},
      {"busybox@sha256:12", "invalid checksum digest length"},
      {"busybox@md5:" + kHex64, "unsupported digest algorithm"},
      {"busybox@nodigest", "invalid reference format"},
      {kHex64, "invalid repository name (" + kHex64 + "), cannot specify 64-byte hexadecimal strings"},
      {std::string(256, 'a'), "repository name must not be more than 255 characters"},
  };
  for (const auto& [text, why] : cases) {
    CAPTURE(text);
    const auto got = parse_image_reference(text);
    REQUIRE(!got);
    CHECK(got.error().message == "couldn't parse image name \"" + text + "\": " + why);
    CHECK(got.error().reason == "InvalidImageName");
  }
}

TEST_CASE("with_default_tag changes nothing but a missing tag") {
  CHECK(with_default_tag("busybox").value() == "busybox:latest");
  CHECK(with_default_tag("localhost:5000/app").value() == "localhost:5000/app:latest");
  CHECK(with_default_tag("busybox:1").value() == "busybox:1");
  CHECK(with_default_tag("busybox" + kDigest).value() == "busybox" + kDigest);
  CHECK(with_default_tag("BUSYBOX").error().reason == "InvalidImageName");
}

TEST_CASE("default_pull_policy goes by the tag") {
  CHECK(default_pull_policy("busybox") == "Always");
  CHECK(default_pull_policy("busybox:latest") == "Always");
  CHECK(default_pull_policy("busybox:1.36") == "IfNotPresent");
  CHECK(default_pull_policy("busybox" + kDigest) == "IfNotPresent");
  CHECK(default_pull_policy("busybox:latest" + kDigest) == "Always");
  CHECK(default_pull_policy("BAD IMAGE") == "IfNotPresent");
}

}  // namespace
}  // namespace keelson::spec
