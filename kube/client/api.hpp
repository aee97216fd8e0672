// Api: the seam to the API server. One request and its answer, or one stream of lines (a watch); everything typed is
// built on these two (objects.hpp, list_watch.hpp). The real one is client.hpp; tests script their own.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/async.hpp"

namespace keelson::kube {

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kMergePatch = "application/merge-patch+json";
inline constexpr std::string_view kStrategicMergePatch = "application/strategic-merge-patch+json";
inline constexpr std::string_view kJsonPatch = "application/json-patch+json";

struct ApiRequest {
  std::string method = "GET";  // GET, POST, PUT, PATCH, DELETE
  std::string path;            // percent-encoded, with its query: "/api/v1/nodes/a", "/api/v1/pods?watch=1"
  std::string body;            // JSON, or empty
  std::string content_type{kJson};
  Nanoseconds timeout =
      Seconds(10);  // of the whole exchange; for a stream: until the answer's header, then between lines
};

class Api {
 public:
  virtual ~Api() = default;

  // The body of a 2xx answer. Any other answer is an error made of the Status that the server sent: `message` is its
  // message, `reason` its reason ("NotFound", "AlreadyExists", "Conflict", "Expired", "Forbidden", "Invalid", ...), and
  // the code: 404 not_found; 409 already_exists (AlreadyExists) or failed_precondition (Conflict); 410
  // failed_precondition (Expired, Gone); 401, 403 permission_denied; 400, 422 invalid_argument; 405, 415 unimplemented;
  // 429 resource_exhausted; 5xx unavailable. No answer: unavailable or deadline_exceeded. 429 and 503 with a
  // Retry-After are waited for and tried again within the timeout.
  virtual Awaitable<Result<std::string>> send(ApiRequest request) = 0;

  // Hands each line of a 2xx answer to `on_line`, on the loop, until the server ends the stream (success) or it breaks.
  // `on_line` may not destroy the Api. Cancelled with the coroutine.
  using LineHandler = std::function<void(std::string_view line)>;
  virtual Awaitable<Result<void>> stream(ApiRequest request, LineHandler on_line) = 0;
};

}  // namespace keelson::kube
