// projected volumes: several sources in one folder, later ones winning, on tmpfs (upstream: pkg/volume/projected).
#include <algorithm>

#include "volumes/payload_volume.hpp"

namespace keelson::volumes {
namespace {

constexpr mode_t kTokenMode = 0600;  // where the file is given to a user or group; fsGroup adds its bits

// The one user that all containers run as, if the pod says so (upstream: pkg/volume/util FsUserFrom). Ephemeral
// containers do not count.
std::optional<std::int64_t> fs_user(const kube::Pod& pod) {
  const auto& of_pod = pod.spec.security_context;
  std::optional<std::int64_t> user;
  for (const auto* containers : {&pod.spec.init_containers, &pod.spec.containers}) {
    for (const kube::Container& container : *containers) {
      const auto& own = container.security_context;
      auto runs_as = own && own->run_as_user ? own->run_as_user : of_pod ? of_pod->run_as_user : std::nullopt;
      if (!runs_as || (user && *user != *runs_as)) return std::nullopt;
      user = runs_as;
    }
  }
  return user;
}

class ProjectedKind final : public PayloadVolume {
 public:
  ProjectedKind(KindContextPtr context, Jobs& jobs, FieldSource fields, TokenSource* tokens)
      : PayloadVolume(std::move(context), jobs, true), fields_(std::move(fields)), tokens_(tokens) {}
  [[nodiscard]] std::string_view plugin() const override { return kProjectedPlugin; }

 private:
  Awaitable<Result<Content>> content(const VolumeRequest& request) override {
    Content out;
    std::vector<Error> errors;
    for (const kube::VolumeProjection& source : request.volume.projected->sources) {
      Result<Content> part = co_await content_of(request, source);
      if (!part) {
        errors.push_back(part.error());
        continue;
      }
      for (auto& [path, file] : part->files) out.files[path] = std::move(file);
      if (part->refresh_at) out.refresh_at = std::min(out.refresh_at.value_or(*part->refresh_at), *part->refresh_at);
    }
    if (!errors.empty()) co_return aggregate(errors);
    CO_TRY(out.files, checked_payload(std::move(out.files)));  // no file of one source where another has a folder
    co_return out;
  }

  Awaitable<Result<Content>> content_of(const VolumeRequest& request, const kube::VolumeProjection& source) {
    const std::optional<std::int32_t>& mode = request.volume.projected->default_mode;
    const std::string& ns = request.pod->metadata.ns;
    Content out;
    if (source.secret) {
      const auto& s = *source.secret;
      const kube::SecretVolumeSource as_volume{s.name, s.items, mode, s.optional};
      CO_TRY(out.files, secret_payload(as_volume, request.objects->find_secret(ns, s.name)));
    } else if (source.config_map) {
      const auto& s = *source.config_map;
      const kube::ConfigMapVolumeSource as_volume{s.name, s.items, mode, s.optional};
      CO_TRY(out.files, config_map_payload(as_volume, request.objects->find_config_map(ns, s.name)));
    } else if (source.downward_api) {
      CO_TRY(out.files, downward_api_payload(source.downward_api->items, mode, *request.pod, fields_));
    } else if (source.service_account_token) {
      Result<Content> token = co_await token_of(request, *source.service_account_token);
      co_return token;
    } else if (source.cluster_trust_bundle) {
      co_return make_error(Errc::unimplemented, "clusterTrustBundle sources are not served by this node");
    } else if (!source.other_sources.empty()) {
      co_return make_error(Errc::unimplemented, source.other_sources.front() + " sources are not served by this node");
    } else {
      co_return make_error(Errc::invalid_argument, "a source of the projected volume says nothing");
    }
    co_return out;
  }

  Awaitable<Result<Content>> token_of(const VolumeRequest& request, const kube::ServiceAccountTokenProjection& source) {
    if (tokens_ == nullptr) {
      co_return make_error(Errc::failed_precondition,
                           "failed to fetch token: service account tokens come from an API server, and this node has "
                           "none");
    }
    const kube::Pod& pod = *request.pod;
    TokenRequest wanted;
    wanted.ns = pod.metadata.ns;
    wanted.service_account = pod.spec.service_account_name;
    wanted.audience = source.audience;
    wanted.expiration_seconds = source.expiration_seconds.value_or(wanted.expiration_seconds);
    wanted.pod_name = pod.metadata.name;
    wanted.pod_uid = pod.metadata.uid;
    Result<ServiceAccountToken> token = co_await tokens_->token(std::move(wanted));
    if (!token) co_return token.error();
    const std::optional<std::int32_t>& mode = request.volume.projected->default_mode;
    PayloadFile file;
    file.data = std::move(token->text);
    file.uid = fs_user(pod);
    file.mode = file.uid || request.fs_group ? kTokenMode : static_cast<mode_t>(mode.value_or(kDefaultFileMode));
    Payload one;
    one[source.path] = std::move(file);
    Content out;
    CO_TRY(out.files, checked_payload(std::move(one)));
    out.refresh_at = token->refresh_at;
    co_return out;
  }

  FieldSource fields_;
  TokenSource* tokens_;
};

}  // namespace

std::unique_ptr<VolumeKind> make_projected_kind(KindContextPtr context, Jobs& jobs, FieldSource fields,
                                                TokenSource* tokens) {
  return std::make_unique<ProjectedKind>(std::move(context), jobs, std::move(fields), tokens);
}

}  // namespace keelson::volumes
