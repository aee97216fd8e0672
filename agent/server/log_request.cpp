#include "agent/server/log_request.hpp"

#include <algorithm>
#include <charconv>

namespace keelson::agent {
namespace {

// Absent or empty: true and nothing; a whole number: true and the number; else false.
bool read_number(const HttpRequest& request, std::string_view name, std::optional<std::int64_t>& out) {
  const auto text = request.param(name);
  if (!text || text->empty()) return true;
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (ec != std::errc() || end != text->data() + text->size()) return false;
  out = value;
  return true;
}

ParsedLogRequest refuse(int status, std::string message) {
  ParsedLogRequest out;
  out.error = {status, R"({"message": ")" + std::move(message) + "\"}"};
  return out;
}

bool declared(const kube::Pod& pod, const std::string& name) {
  const auto named = [&](const auto& c) { return c.name == name; };
  const auto& spec = pod.spec;
  return std::any_of(spec.containers.begin(), spec.containers.end(), named) ||
         std::any_of(spec.init_containers.begin(), spec.init_containers.end(), named);
}

std::string waiting_text(const std::string& reason) {
  if (reason == "ErrImagePull") return "image can't be pulled";
  if (reason == "ImagePullBackOff") return "trying and failing to pull image";
  return reason;
}

}  // namespace

ParsedLogRequest parse_log_request(const HttpRequest& request, SystemTime now) {
  constexpr auto kUndecodable = "Unable to decode query.";
  constexpr auto kInvalid = "Invalid request.";
  ParsedLogRequest out;
  LogRequest log;
  log.follow = request.flag("follow");
  log.previous = request.flag("previous");
  log.selection.timestamps = request.flag("timestamps");
  std::optional<std::int64_t> since, limit;
  const std::string tail_name = request.param("tailLines") ? "tailLines" : "tail";
  if (request.param(tail_name).value_or("") != "all" && !read_number(request, tail_name, log.selection.tail_lines)) {
    return refuse(400, kUndecodable);
  }
  if (!read_number(request, "sinceSeconds", since) || !read_number(request, "limitBytes", limit)) {
    return refuse(400, kUndecodable);
  }
  const auto since_time = request.param("sinceTime").value_or("");
  if (log.selection.tail_lines.value_or(0) < 0 || since.value_or(1) < 1 || limit.value_or(1) < 1 ||
      (since && !since_time.empty())) {
    return refuse(422, kInvalid);
  }
  if (since) log.selection.since = now - Seconds(*since);
  if (!since_time.empty()) {
    const auto time = kube::parse_time(since_time);
    if (!time) return refuse(400, kUndecodable);
    log.selection.since = *time;
  }
  if (limit) log.selection.limit_bytes = static_cast<std::uint64_t>(*limit);
  if (const auto stream = request.param("stream"); stream && !stream->empty() && *stream != "All") {
    return refuse(400, "only the stream All is served");
  }
  out.request = log;
  return out;
}

const kube::ContainerStatus* find_container_status(const kube::PodStatus& status, std::string_view name) {
  for (const auto* list :
       {&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses}) {
    for (const auto& c : *list) {
      if (c.name == name) return &c;
    }
  }
  return nullptr;
}

std::string bare_container_id(std::string_view id) {
  const auto scheme = id.find("://");
  return std::string(scheme == std::string_view::npos ? id : id.substr(scheme + 3));
}

bool instance_runs(const kube::PodStatus& status, std::string_view container, std::string_view id) {
  const auto* found = find_container_status(status, container);
  return found && found->state.running && bare_container_id(found->container_id) == id;
}

Result<std::string> choose_log_instance(const kube::Pod& pod, const kube::PodStatus& status,
                                        const std::string& container, bool previous) {
  const auto& pod_name = pod.metadata.name;
  const std::string subject = "container \"" + container + "\" in pod \"" + pod_name + "\" ";
  const auto* found = find_container_status(status, container);
  if (!found && !declared(pod, container)) {
    return make_error(Errc::not_found, "container \"" + container + "\" not found in pod \"" + pod_name + "\"");
  }
  if (!found) return make_error(Errc::invalid_argument, subject + "is not available");
  const auto& last = found->last_state.terminated;
  const std::string last_id = last ? bare_container_id(last->container_id) : std::string();
  if (previous) {
    if (!last_id.empty()) return last_id;
    return make_error(Errc::invalid_argument, "previous terminated " + subject + "not found");
  }
  const auto& state = found->state;
  if (state.running) return bare_container_id(found->container_id);
  if (state.terminated || last) {
    const auto id = state.terminated ? bare_container_id(state.terminated->container_id) : std::string();
    if (!id.empty()) return id;
    if (!last_id.empty()) return last_id;
    return make_error(Errc::invalid_argument, subject + "is terminated");
  }
  if (state.waiting) {
    return make_error(Errc::invalid_argument, subject + "is waiting to start: " + waiting_text(state.waiting->reason));
  }
  return make_error(Errc::invalid_argument, subject + "is not available");
}

}  // namespace keelson::agent
