// A runtime in this process: a gRPC server on a unix socket that answers any method with what the test scripted.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace keelson::cri::test {

class FakeRuntime {
 public:
  FakeRuntime();
  ~FakeRuntime();
  FakeRuntime(const FakeRuntime&) = delete;
  FakeRuntime& operator=(const FakeRuntime&) = delete;

  void start();
  void stop();  // cuts every connection
  [[nodiscard]] std::string endpoint() const { return "unix://" + path_; }

  // Answers `method` ("/package.Service/Method"). No status: no answer until the client gives up.
  template <class Request, class Response>
  void on(const std::string& method, std::function<std::optional<grpc::Status>(const Request&, Response&)> handler) {
    const std::scoped_lock lock(mutex_);
    unary_[method] = [handler](const std::string& in, std::string& out) {
      Request request;
      Response response;
      request.ParseFromString(in);
      auto status = handler(request, response);
      response.SerializeToString(&out);
      return status;
    };
  }
  // Answers each method with an empty message that is not scripted otherwise; else those are unimplemented.
  void answer_everything() { answer_everything_ = true; }
  // `method` is a server stream from now on: push() sends on every open one, end_streams() ends them.
  void serve_stream(const std::string& method);
  void push(const std::string& method, const google::protobuf::MessageLite& message);
  void end_streams(const std::string& method, const grpc::Status& status);

  // What happened so far.
  [[nodiscard]] std::vector<std::string> calls() const;
  [[nodiscard]] std::size_t open_streams(const std::string& method) const;
  [[nodiscard]] std::string last_stream_request() const;
  [[nodiscard]] std::map<std::string, std::string> last_stream_headers() const;
  [[nodiscard]] int cancelled() const;

 private:
  class Reactor;
  class Service;
  using Handler = std::function<std::optional<grpc::Status>(const std::string&, std::string&)>;

  std::string directory_;
  std::string path_;
  mutable std::mutex mutex_;
  std::map<std::string, Handler> unary_;
  std::set<std::string> streams_;
  std::set<Reactor*> reactors_;
  std::vector<std::string> calls_;
  std::string last_request_;
  std::map<std::string, std::string> last_headers_;
  bool answer_everything_ = false;
  int cancelled_ = 0;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace keelson::cri::test
