// ConfigMaps and Secrets.
#include "kube/config.hpp"
#include "kube/validate.hpp"
#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

constexpr std::size_t kMaxBytes = 1U << 20U;

// The keys; returns the bytes of the values.
std::size_t check_data(const StringMap& data, const FieldPath& at, FieldErrors& errors) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : data) {
    errors.check(at.key(key), key, check_config_key(key));
    bytes += value.size();
  }
  return bytes;
}

void check_size(std::size_t bytes, const FieldPath& at, FieldErrors& errors) {
  if (bytes > kMaxBytes) errors.forbidden(at, "may not be more than " + std::to_string(kMaxBytes) + " bytes");
}

// Types of Secrets promise certain keys.
void check_secret_type(const Secret& secret, FieldErrors& errors) {
  auto needs = [&](const char* key) {
    if (secret.data.count(key) == 0) errors.required(FieldPath("data").key(key));
  };
  if (secret.type == "kubernetes.io/dockerconfigjson") needs(".dockerconfigjson");
  if (secret.type == "kubernetes.io/dockercfg") needs(".dockercfg");
  if (secret.type == "kubernetes.io/ssh-auth") needs("ssh-privatekey");
  if (secret.type == "kubernetes.io/tls") {
    needs("tls.crt");
    needs("tls.key");
  }
  if (secret.type == "kubernetes.io/basic-auth" && secret.data.count("username") == 0 &&
      secret.data.count("password") == 0) {
    errors.required(FieldPath("data").key("username"));
  }
}

}  // namespace

std::vector<FieldError> validate(const ConfigMap& object) {
  FieldErrors errors;
  check_metadata(object.metadata, true, check_dns_subdomain, errors);
  std::size_t bytes = check_data(object.data, FieldPath("data"), errors);
  bytes += check_data(object.binary_data, FieldPath("binaryData"), errors);
  for (const auto& [key, value] : object.binary_data) {
    if (object.data.count(key) != 0) errors.invalid(FieldPath("data").key(key), key, "duplicate of key in binaryData");
  }
  check_size(bytes, FieldPath("data"), errors);
  return errors.take();
}

std::vector<FieldError> validate(const Secret& object) {
  FieldErrors errors;
  check_metadata(object.metadata, true, check_dns_subdomain, errors);
  check_size(check_data(object.data, FieldPath("data"), errors), FieldPath("data"), errors);
  check_secret_type(object, errors);
  return errors.take();
}

}  // namespace keelson::kube
