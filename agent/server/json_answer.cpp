#include "agent/server/json_answer.hpp"

#include <nlohmann/json.hpp>

namespace keelson::agent {

Awaitable<void> send_json(Exchange& x, nlohmann::json document) {
  std::string text = document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  co_await x.response.send(200, kJson, std::move(text));
}

}  // namespace keelson::agent
