// Typed calls on an Api, for every kind that codec.hpp knows: the object's apiVersion and kind give its path.
//   Result<Pod> pod = co_await get<Pod>(api, ns, name);
// Errors are those of Api::send(); an answer that cannot be decoded is internal, naming the object's path.
// The Api must outlive the call.
#pragma once

#include <string>
#include <utility>

#include "kube/client/api.hpp"
#include "kube/client/resource.hpp"
#include "kube/codec.hpp"

namespace keelson::kube {

// The path of one object, or of a sub-resource of it ("status", "token", "eviction").
template <class T>
[[nodiscard]] std::string object_path(std::string_view ns, std::string_view name, std::string_view subresource = {}) {
  return api_path(T::kApiVersion, resource_of(T::kKind), ns, name, subresource);
}

// The path of the kind's objects in a namespace, or in the whole cluster.
template <class T>
[[nodiscard]] std::string list_path(std::string_view ns = {}) {
  return api_path(T::kApiVersion, resource_of(T::kKind), ns);
}

// The object in a server's answer to `path`.
template <class T>
[[nodiscard]] Result<T> decode_answer(const std::string& text, const std::string& path) {
  auto json = parse_answer(text);
  if (!json) return json.error().context(path);
  auto object = decode<T>(**json);
  if (!object) return make_error(Errc::internal, path + ": " + object.error().message);
  return object;
}

// Sends the request and decodes the answer.
template <class T>
Awaitable<Result<T>> call(Api& api, ApiRequest request) {
  std::string path = request.path;
  Result<std::string> answer = co_await api.send(std::move(request));
  if (!answer) co_return answer.error();
  co_return decode_answer<T>(*answer, path);
}

[[nodiscard]] inline ApiRequest api_request(std::string method, std::string path, std::string body = {}) {
  ApiRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.body = std::move(body);
  return request;
}

template <class T>
Awaitable<Result<T>> get(Api& api, std::string ns, std::string name) {
  return call<T>(api, api_request("GET", object_path<T>(ns, name)));
}

// Creates it in its own namespace; gives back what the server made of it.
template <class T>
Awaitable<Result<T>> create(Api& api, const T& object) {
  return call<T>(api, api_request("POST", list_path<T>(object.metadata.ns), encode_text(object)));
}

// Replaces it (PUT). With a resourceVersion in it, an object changed meanwhile is failed_precondition (Conflict).
template <class T>
Awaitable<Result<T>> update(Api& api, const T& object, std::string subresource = {}) {
  const std::string path = object_path<T>(object.metadata.ns, object.metadata.name, subresource);
  return call<T>(api, api_request("PUT", path, encode_text(object)));
}

// `patch` is the patch's text, of `content_type` (kMergePatch, kStrategicMergePatch, kJsonPatch).
template <class T>
Awaitable<Result<T>> patch(Api& api, std::string ns, std::string name, std::string subresource, std::string patch,
                           std::string_view content_type = kStrategicMergePatch) {
  ApiRequest request = api_request("PATCH", object_path<T>(ns, name, subresource), std::move(patch));
  request.content_type = content_type;
  return call<T>(api, std::move(request));
}

// Deletes the object at `path`. not_found when there is none, failed_precondition when it is another than the
// preconditions say. That it is gone is for the caller to see: finalizers and grace periods go first.
Awaitable<Result<void>> remove(Api& api, std::string path, DeleteOptions options);

}  // namespace keelson::kube
