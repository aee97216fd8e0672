#include "kube/client/objects.hpp"

namespace keelson::kube {

Awaitable<Result<void>> remove(Api& api, std::string path, DeleteOptions options) {
  ApiRequest request = api_request("DELETE", std::move(path), encode_delete_options(options));
  Result<std::string> answer = co_await api.send(std::move(request));
  if (!answer) co_return answer.error();
  co_return Result<void>();
}

}  // namespace keelson::kube
