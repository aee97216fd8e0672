// Field lists of CredentialProviderConfig.
#include "kube/credential_provider.hpp"
#include "kube/fields.hpp"

namespace keelson::kube {

template <>
struct Fields<ExecEnvVar> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v.always("value", o.value);
  }
};
template <>
struct Fields<TokenAttributes> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("serviceAccountTokenAudience", o.audience);
    for (const char* name : {"cacheType", "requireServiceAccount", "requiredServiceAccountAnnotationKeys",
                             "optionalServiceAccountAnnotationKeys"}) {
      v.ignore(name);
    }
  }
};
template <>
struct Fields<CredentialProvider> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("matchImages", o.match_images);
    v("defaultCacheDuration", o.default_cache_duration);
    v("apiVersion", o.api_version);
    v("args", o.args);
    v("env", o.env);
    v("tokenAttributes", o.token_attributes);
  }
};
template <>
struct Fields<CredentialProviderConfig> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("providers", o.providers);
  }
};

KEELSON_FIELDS_DEFINE(CredentialProviderConfig);

}  // namespace keelson::kube
