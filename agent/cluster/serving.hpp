// The kubelet's HTTPS API of this node: its certificate, who may call it, and the servers.
#pragma once

#include <optional>

#include "agent/config/cluster_options.hpp"
#include "agent/server/https_server.hpp"
#include "kube/client/api.hpp"

namespace keelson::agent {

class Serving {
 public:
  // Where the serving certificate and its key are: apart, or both in one file.
  struct Certificate {
    std::filesystem::path cert_file, key_file;
  };

  Serving(Executor executor, ServerData& data, kube::Api& api, const Clock& clock, const std::string& node_name,
          const ServingOptions& options, const Certificate& certificate);

  // Errors: an address cannot be bound.
  Result<void> start();
  Awaitable<void> stop();

 private:
  const ServingOptions& options_;
  Api routes_;
  Authenticator authenticator_;
  Authorizer authorizer_;
  HttpsServer https_;
  HealthServer health_;
  bool health_started_ = false;
};

}  // namespace keelson::agent
