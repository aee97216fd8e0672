// From the options and the machine to the facts that the builders need.
#pragma once

#include "agent/config/options.hpp"
#include "agent/node/node_resources.hpp"
#include "agent/spec/node_facts.hpp"

namespace keelson::agent {

// What of the node is kept from pods, and how many of them it takes. Errors name the threshold.
Result<ResourceConfig> resource_config(const Options& options);

// Reads the machine and puts the options over it; `allocatable` is what is left of it for pods. Errors name the file or
// flag, or the reservation that is larger than the machine.
Result<spec::NodeFacts> make_node_facts(const Options& options);

}  // namespace keelson::agent
