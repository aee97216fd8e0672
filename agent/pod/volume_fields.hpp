// What files of the downward API show, for volumes/: spec/ knows how, volumes/ may not know spec/.
#pragma once

#include "agent/spec/node_facts.hpp"
#include "volumes/pod_sources.hpp"

namespace keelson::agent {

// fieldRef and resourceFieldRef of a volume's file. `facts` must outlive it.
[[nodiscard]] volumes::FieldSource volume_fields(const spec::NodeFacts& facts);

}  // namespace keelson::agent
