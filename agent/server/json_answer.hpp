// An answer in JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "agent/server/router.hpp"

namespace keelson::agent {

// Answers 200 with the document. A name or message that is not UTF-8 does not make the whole answer fail.
Awaitable<void> send_json(Exchange& x, nlohmann::json document);

}  // namespace keelson::agent
