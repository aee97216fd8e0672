#include "proxy/model.hpp"

#include <algorithm>
#include <utility>

namespace keelson::proxy {

std::string_view to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp:
      return "tcp";
    case Protocol::udp:
      return "udp";
    case Protocol::sctp:
      return "sctp";
  }
  return "tcp";
}

NameId NamePool::intern(std::string_view name) {
  if (const auto it = ids_.find(name); it != ids_.end()) return it->second;
  const auto id = static_cast<NameId>(names_.size());
  names_.emplace_back(name);
  ids_.emplace(names_.back(), id);
  return id;
}

ServiceEntry& Model::entry(const std::string& key) {
  if (const auto it = services_.find(key); it != services_.end()) return *it->second;
  auto made = std::make_unique<ServiceEntry>();
  made->key = key;
  ServiceEntry& ref = *made;
  services_.emplace(std::string_view(ref.key), std::move(made));
  return ref;
}

const ServiceEntry* Model::find(const std::string& key) const {
  const auto it = services_.find(key);
  return it == services_.end() ? nullptr : it->second.get();
}

void Model::drop_if_empty(const ServiceEntry& gone) {
  if (!gone.spec && gone.slices.empty()) services_.erase(services_.find(gone.key));
}

void Model::apply_service(const std::string& key, std::unique_ptr<ServiceSpec> spec,
                          std::unique_ptr<RulelessService> ruleless) {
  if (ruleless) {
    ruleless_[key] = std::move(ruleless);
  } else {
    ruleless_.erase(key);
  }
  if (!spec && !services_.contains(key)) return;
  ServiceEntry& e = entry(key);
  dirty_.insert(key);
  e.spec = std::move(spec);
  drop_if_empty(e);
}

void Model::drop_slice(ServiceEntry& from, const std::string* id) {
  const auto it = std::find_if(from.slices.begin(), from.slices.end(), [id](const Slice& s) { return s.id == id; });
  if (it == from.slices.end()) return;
  endpoint_counts_[index_of(it->family)] -= it->endpoints.size() * it->ports.size();
  from.slices.erase(it);
  dirty_.insert(from.key);
}

void Model::apply_endpoint_slice(const std::string& id, const std::string& service, Slice slice) {
  ServiceEntry& e = entry(service);
  const auto [at, added] = slice_index_.try_emplace(id, &e);
  if (!added) {
    ServiceEntry* before = std::exchange(at->second, &e);
    drop_slice(*before, &at->first);
    if (before != &e) drop_if_empty(*before);
  }
  slice.id = &at->first;
  endpoint_counts_[index_of(slice.family)] += slice.endpoints.size() * slice.ports.size();
  e.slices.push_back(std::move(slice));
  dirty_.insert(e.key);
}

void Model::remove_endpoint_slice(const std::string& id) {
  const auto at = slice_index_.find(id);
  if (at == slice_index_.end()) return;
  ServiceEntry& e = *at->second;
  drop_slice(e, &at->first);
  slice_index_.erase(at);
  drop_if_empty(e);
}

bool Model::set_zone(std::string_view zone) {
  if (zone_ == zone) return false;
  zone_ = zone;
  return true;
}

std::vector<std::string> Model::take_dirty() {
  std::vector<std::string> keys;
  keys.reserve(dirty_.size());
  while (!dirty_.empty()) keys.push_back(std::move(dirty_.extract(dirty_.begin()).value()));
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace keelson::proxy
