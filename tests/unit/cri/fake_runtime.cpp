#include "fake_runtime.hpp"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <deque>
#include <filesystem>

namespace keelson::cri::test {
namespace {

std::string to_string(grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (bytes.Dump(&slices).ok()) {
    for (const auto& slice : slices) out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return out;
}

grpc::ByteBuffer to_bytes(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

// One call. gRPC calls it from threads of its own.
class FakeRuntime::Reactor final : public grpc::ServerGenericBidiReactor {
 public:
  Reactor(FakeRuntime& owner, std::string method, std::map<std::string, std::string> headers)
      : owner_(owner), method_(std::move(method)), headers_(std::move(headers)) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return finish(grpc::Status::CANCELLED);
    const auto request = to_string(request_);
    Handler handler;
    {
      const std::scoped_lock lock(owner_.mutex_);
      owner_.calls_.push_back(method_);
      if (owner_.streams_.contains(method_)) {
        owner_.last_request_ = request;
        owner_.last_headers_ = headers_;
        owner_.reactors_.insert(this);
        return;
      }
      if (const auto it = owner_.unary_.find(method_); it != owner_.unary_.end()) handler = it->second;
    }
    if (!handler && !owner_.answer_everything_) return finish({grpc::StatusCode::UNIMPLEMENTED, "unknown method"});
    std::string response;
    const auto status = handler ? handler(request, response) : grpc::Status::OK;
    if (!status) return;
    if (!status->ok()) return finish(*status);
    response_ = to_bytes(response);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
    finished_ = true;
  }

  void send(const std::string& message) {
    const std::scoped_lock lock(mutex_);
    queue_.push_back(message);
    if (queue_.size() == 1) write_front();
  }

  void OnWriteDone(bool ok) override {
    const std::scoped_lock lock(mutex_);
    if (finished_ || queue_.empty()) return;
    queue_.pop_front();
    if (ok && !queue_.empty()) write_front();
  }

  void OnCancel() override {
    {
      const std::scoped_lock lock(owner_.mutex_);
      ++owner_.cancelled_;
    }
    finish(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    {
      const std::scoped_lock lock(owner_.mutex_);
      owner_.reactors_.erase(this);
    }
    delete this;
  }

  void finish(const grpc::Status& status) {
    const std::scoped_lock lock(mutex_);
    if (!std::exchange(finished_, true)) Finish(status);
  }

  [[nodiscard]] const std::string& method() const { return method_; }

 private:
  void write_front() {
    if (finished_) return;
    response_ = to_bytes(queue_.front());
    StartWrite(&response_);
  }

  FakeRuntime& owner_;
  std::string method_;
  std::map<std::string, std::string> headers_;
  std::mutex mutex_;
  bool finished_ = false;
  std::deque<std::string> queue_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

class FakeRuntime::Service final : public grpc::CallbackGenericService {
 public:
  explicit Service(FakeRuntime& owner) : owner_(owner) {}
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    std::map<std::string, std::string> headers;
    for (const auto& [name, value] : context->client_metadata()) {
      headers.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
    }
    return new Reactor(owner_, context->method(), std::move(headers));
  }

 private:
  FakeRuntime& owner_;
};

FakeRuntime::FakeRuntime() {
  std::string name = std::filesystem::temp_directory_path() / "keelson-cri-XXXXXX";
  directory_ = mkdtemp(name.data());
  path_ = directory_ + "/cri.sock";
}

FakeRuntime::~FakeRuntime() {
  stop();
  std::filesystem::remove_all(directory_);
}

void FakeRuntime::start() {
  service_ = std::make_unique<Service>(*this);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + path_, grpc::InsecureServerCredentials());
  builder.RegisterCallbackGenericService(service_.get());
  server_ = builder.BuildAndStart();
}

void FakeRuntime::stop() {
  if (!server_) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
  service_.reset();
  std::filesystem::remove(path_);
}

void FakeRuntime::serve_stream(const std::string& method) {
  const std::scoped_lock lock(mutex_);
  streams_.insert(method);
}

void FakeRuntime::push(const std::string& method, const google::protobuf::MessageLite& message) {
  const std::scoped_lock lock(mutex_);
  for (auto* reactor : reactors_) {
    if (reactor->method() == method) reactor->send(message.SerializeAsString());
  }
}

void FakeRuntime::end_streams(const std::string& method, const grpc::Status& status) {
  const std::scoped_lock lock(mutex_);
  for (auto* reactor : reactors_) {
    if (reactor->method() == method) reactor->finish(status);
  }
}

std::vector<std::string> FakeRuntime::calls() const {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

std::size_t FakeRuntime::open_streams(const std::string& method) const {
  const std::scoped_lock lock(mutex_);
  std::size_t count = 0;
  for (const auto* reactor : reactors_) count += reactor->method() == method ? 1 : 0;
  return count;
}

std::string FakeRuntime::last_stream_request() const {
  const std::scoped_lock lock(mutex_);
  return last_request_;
}

std::map<std::string, std::string> FakeRuntime::last_stream_headers() const {
  const std::scoped_lock lock(mutex_);
  return last_headers_;
}

int FakeRuntime::cancelled() const {
  const std::scoped_lock lock(mutex_);
  return cancelled_;
}

}  // namespace keelson::cri::test
