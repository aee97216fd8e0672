#include "agent/pod/volume_fields.hpp"

#include "agent/spec/environment.hpp"

namespace keelson::agent {

volumes::FieldSource volume_fields(const spec::NodeFacts& facts) {
  return [&facts](const kube::Pod& pod, const kube::DownwardApiFile& file) -> Result<std::string> {
    if (file.field_ref) return spec::field_value(*file.field_ref, pod, facts, {});  // no status fields in volumes
    if (!file.resource_field_ref) return make_error(Errc::invalid_argument, "neither fieldRef nor resourceFieldRef");
    const kube::Container none;  // the reference names its container
    return spec::resource_field_value(*file.resource_field_ref, pod, none, facts);
  };
}

}  // namespace keelson::agent
