// One HTTPS request from inside a pod, with the server's certificate checked: what a client of the API server does.
//
//   https-get --ca FILE [--token FILE] [--method GET] https://HOST:PORT/PATH
//
// Prints the body; exits with 0 for a status below 400, 22 for one above (the status is on stderr), 1 without an
// answer.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <sstream>

#include "server.hpp"

namespace {

struct Options {
  std::string ca, token, method = "GET", host, port = "443", path = "/";
};

int fail(const std::string& what) {
  std::fprintf(stderr, "https-get: %s\n", what.c_str());
  ERR_print_errors_fp(stderr);
  return 1;
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  if (!file) image::die(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// https://HOST[:PORT][/PATH]; an IPv6 host is in brackets.
bool parse_url(std::string url, Options& options) {
  constexpr const char* kScheme = "https://";
  if (!url.starts_with(kScheme)) return false;
  url.erase(0, std::strlen(kScheme));
  if (size_t slash = url.find('/'); slash != std::string::npos) {
    options.path = url.substr(slash);
    url.resize(slash);
  }
  if (size_t colon = url.rfind(':'); colon != std::string::npos && url.find(']', colon) == std::string::npos) {
    options.port = url.substr(colon + 1);
    url.resize(colon);
  }
  if (url.starts_with('[') && url.ends_with(']')) url = url.substr(1, url.size() - 2);
  options.host = url;
  return !url.empty();
}

SSL* handshake(const Options& options, int fd) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (!context || SSL_CTX_load_verify_locations(context, options.ca.c_str(), nullptr) != 1) return nullptr;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL* tls = SSL_new(context);
  X509_VERIFY_PARAM* names = SSL_get0_param(tls);
  if (X509_VERIFY_PARAM_set1_ip_asc(names, options.host.c_str()) != 1) {
    SSL_set1_host(tls, options.host.c_str());
    SSL_set_tlsext_host_name(tls, options.host.c_str());
  }
  SSL_set_fd(tls, fd);
  return SSL_connect(tls) == 1 ? tls : nullptr;
}

std::string exchange(SSL* tls, const Options& options) {
  std::string request = options.method + " " + options.path + " HTTP/1.0\r\nHost: " + options.host + "\r\n";
  if (!options.token.empty()) request += "Authorization: Bearer " + contents(options.token) + "\r\n";
  request += "Accept: application/json\r\n\r\n";
  std::string answer;
  if (SSL_write(tls, request.data(), static_cast<int>(request.size())) <= 0) return answer;
  char buffer[16384];
  for (int n; (n = SSL_read(tls, buffer, sizeof buffer)) > 0;) answer.append(buffer, n);
  return answer;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--ca" && i + 1 < argc)
      options.ca = argv[++i];
    else if (flag == "--token" && i + 1 < argc)
      options.token = argv[++i];
    else if (flag == "--method" && i + 1 < argc)
      options.method = argv[++i];
    else if (!parse_url(flag, options))
      return fail("not an https URL: " + flag);
  }
  if (options.host.empty() || options.ca.empty()) return fail("--ca FILE and a URL are needed");
  int fd = image::connect_to(options.host, options.port, SOCK_STREAM);
  if (fd < 0) return fail("cannot connect to " + options.host + ":" + options.port);
  SSL* tls = handshake(options, fd);
  if (!tls) return fail("no TLS connection that the CA vouches for");
  std::string answer = exchange(tls, options);
  size_t body = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.") || body == std::string::npos) return fail("no HTTP answer");
  std::fputs(answer.c_str() + body + 4, stdout);
  int status = std::atoi(answer.c_str() + answer.find(' '));
  if (status < 400) return 0;
  std::fprintf(stderr, "https-get: status %d\n", status);
  return 22;
}
