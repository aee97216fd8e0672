// `keelson join`: makes of a bootstrap token and the hash of the cluster's CA what `keelson run` needs to join.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace keelson::agent {

struct JoinArgs {
  std::string server;  // "10.0.0.1:6443"
  std::string token;
  std::vector<std::string> ca_hashes;
  std::filesystem::path folder = "/etc/keelson";
};

// Asks the API server for kube-public/cluster-info without trusting it, checks it by the token and the hash, asks again
// over the CA found there, and writes below the folder: ca.crt, bootstrap.conf (the bootstrap kubeconfig), and
// config.yaml (the cluster's own KubeletConfiguration where the token may read it, else one that authenticates callers
// by the CA). Says on stdout how to go on; errors go to stderr. The process' exit code.
int run_join(const JoinArgs& args);

}  // namespace keelson::agent
