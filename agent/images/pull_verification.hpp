// How much is asked of a pod that wants to use an image that is here already.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace keelson::agent {

// imagePullCredentialsVerificationPolicy and preloadedImagesVerificationAllowlist.
struct PullVerification {
  enum class Policy { never, never_preloaded, never_allowlisted, always } policy = Policy::never_preloaded;
  std::vector<std::string> allowlist;  // repositories, or prefixes ending in "/*"
};

// As the kubelet's configuration names them.
inline constexpr std::array<std::pair<const char*, PullVerification::Policy>, 4> kPullPolicies = {
    {{"NeverVerify", PullVerification::Policy::never},
     {"NeverVerifyPreloadedImages", PullVerification::Policy::never_preloaded},
     {"NeverVerifyAllowlistedImages", PullVerification::Policy::never_allowlisted},
     {"AlwaysVerify", PullVerification::Policy::always}}};

}  // namespace keelson::agent
