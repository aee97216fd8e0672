#include "agent/cluster/service_index.hpp"

#include "base/strings.hpp"

namespace keelson::agent {
namespace {

// "IP", then for each port "\nNAME PROTOCOL NUMBER". None of them can hold a blank or a newline: what does is left out.
bool is_word(std::string_view text) { return text.find_first_of(" \n") == std::string_view::npos; }

std::string pack(const kube::ServiceSpec& spec) {
  std::string out = spec.cluster_ip;
  for (const kube::ServicePort& port : spec.ports) {
    if (!is_word(port.name) || !is_word(port.protocol)) continue;
    out.append("\n").append(port.name).append(" ").append(port.protocol).append(" ").append(std::to_string(port.port));
  }
  out.shrink_to_fit();
  return out;
}

std::shared_ptr<const kube::Service> unpack(std::string_view ns, std::string_view name, const std::string& packed) {
  auto out = std::make_shared<kube::Service>();
  out->metadata.ns = ns;
  out->metadata.name = name;
  const std::vector<std::string> lines = split(packed, '\n');
  out->spec.cluster_ip = lines.front();
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> words = split(lines[i], ' ');
    kube::ServicePort port;
    port.name = words.at(0);
    port.protocol = words.at(1);
    port.port = std::stoi(words.at(2));
    out->spec.ports.push_back(std::move(port));
  }
  return out;
}

}  // namespace

void ServiceIndex::set(const kube::Service& service) {
  const std::string& ip = service.spec.cluster_ip;
  if (ip.empty() || ip == "None" || !is_word(ip)) {
    remove(kube::object_key(service.metadata));
    return;
  }
  const auto [at, added] = namespaces_[service.metadata.ns].insert_or_assign(service.metadata.name, pack(service.spec));
  if (added) ++size_;
}

void ServiceIndex::remove(std::string_view key) {
  const auto slash = key.find('/');
  const auto space = namespaces_.find(key.substr(0, slash));
  if (slash == std::string_view::npos || space == namespaces_.end()) return;
  const auto at = space->second.find(key.substr(slash + 1));
  if (at == space->second.end()) return;
  space->second.erase(at);
  --size_;
  if (space->second.empty()) namespaces_.erase(space);
}

std::vector<std::shared_ptr<const kube::Service>> ServiceIndex::visible_from(const std::string& ns) const {
  std::vector<std::shared_ptr<const kube::Service>> out;
  if (const auto space = namespaces_.find(ns); space != namespaces_.end()) {
    for (const auto& [name, packed] : space->second) out.push_back(unpack(ns, name, packed));
  }
  if (ns == "default") return out;
  const auto space = namespaces_.find("default");
  if (space == namespaces_.end()) return out;
  const auto at = space->second.find("kubernetes");
  if (at != space->second.end()) out.push_back(unpack("default", at->first, at->second));
  return out;
}

}  // namespace keelson::agent
