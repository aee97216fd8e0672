// The pure compile for nftables: one Service to elements of sets and maps, never to rules or chains: the kernel checks
// a whole table again when a rule or a verdict comes into it, and elements without verdicts cost the same at any size.
#pragma once

#include "proxy/compile.hpp"
#include "proxy/nft_objects.hpp"

namespace keelson::proxy {

// The Service's elements in the options' family, as sorted records (NftElement), each once. Nothing when it has no
// ClusterIP of the family. Endpoints beyond 65,535 of one port are left out. New kinds of handlers get their numbers
// from `handlers`.
[[nodiscard]] std::string compile_elements(const ServiceEntry& service, const Model& model,
                                           const CompileOptions& options, NftHandlers& handlers);

// The addresses of options.node_port_ips, as elements of nodeport_ips; none where every local address takes NodePorts.
[[nodiscard]] std::string compile_nodeport_ips(const CompileOptions& options);

// The records in order, each once.
[[nodiscard]] std::string sorted_records(std::string_view records, Family family);

}  // namespace keelson::proxy
