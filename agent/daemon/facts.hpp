// From the options and the machine to the facts that the builders need.
#pragma once

#include "agent/config/options.hpp"
#include "agent/spec/node_facts.hpp"

namespace keelson::agent {

// Reads the machine and puts the options over it. Errors name the file or flag.
Result<spec::NodeFacts> make_node_facts(const Options& options);

}  // namespace keelson::agent
