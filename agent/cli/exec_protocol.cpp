#include "agent/cli/exec_protocol.hpp"

#include <sys/random.h>

#include "agent/cli/spdy.hpp"
#include "agent/cli/websocket.hpp"

namespace keelson::agent {
namespace {

constexpr const char* kProtocol = "v4.channel.k8s.io";

std::uint32_t random_mask() {
  std::uint32_t mask = 0;
  if (::getrandom(&mask, sizeof mask, 0) != sizeof mask) mask = 0x5eed5eed;
  return mask;
}

// A message's first byte is its channel.
class WebSocketProtocol final : public ExecProtocol {
 public:
  std::string request(const std::string& target) override { return websocket_request(target, key_, kProtocol); }
  [[nodiscard]] bool accepts(std::string_view header) const override {
    return header.find(websocket_accept(key_)) != std::string_view::npos;
  }
  std::string opening(const ExecStreams&) override { return {}; }
  std::string input(std::string_view data) override { return message(ExecChannel::in, data); }
  std::string input_end() override { return {}; }
  std::string resize(std::string_view size) override { return message(ExecChannel::resize, size); }

  Result<std::vector<ExecChunk>> feed(std::string_view bytes, std::string& replies, bool& closed) override {
    TRY(const auto messages, reader_.feed(bytes));
    std::vector<ExecChunk> out;
    for (const auto& m : messages) {
      if (m.opcode == WebSocketOpcode::ping)
        replies += websocket_frame(WebSocketOpcode::pong, m.payload, random_mask());
      if (m.opcode == WebSocketOpcode::close) closed = true;
      if (m.opcode >= WebSocketOpcode::close || m.payload.empty()) continue;
      out.push_back({static_cast<ExecChannel>(m.payload[0]), m.payload.substr(1)});
    }
    return out;
  }

 private:
  static std::string message(ExecChannel channel, std::string_view data) {
    std::string payload(1, static_cast<char>(channel));
    return websocket_frame(WebSocketOpcode::binary, payload.append(data), random_mask());
  }
  std::string key_ = make_websocket_key();
  WebSocketReader reader_;
};

// One stream for each channel, told apart by the header that opens it.
class SpdyProtocol final : public ExecProtocol {
 public:
  std::string request(const std::string& target) override {
    return "POST " + target + " HTTP/1.1\r\nHost: keelson\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
           "X-Stream-Protocol-Version: " + kProtocol + "\r\n\r\n";
  }
  [[nodiscard]] bool accepts(std::string_view header) const override {
    return header.find(kProtocol) != std::string_view::npos;
  }
  std::string opening(const ExecStreams& streams) override {
    std::string out = open(ExecChannel::status, "error");
    if (streams.in) out += open(ExecChannel::in, "stdin");
    out += open(ExecChannel::out, "stdout");
    if (streams.err) out += open(ExecChannel::err, "stderr");
    if (streams.tty) out += open(ExecChannel::resize, "resize");
    return out;
  }
  std::string input(std::string_view data) override { return frame(ExecChannel::in, data, false); }
  std::string input_end() override { return frame(ExecChannel::in, {}, true); }
  std::string resize(std::string_view size) override { return frame(ExecChannel::resize, size, false); }

  Result<std::vector<ExecChunk>> feed(std::string_view bytes, std::string& replies, bool&) override {
    TRY(auto frames, client_.feed(bytes, replies));
    std::vector<ExecChunk> out;
    for (auto& f : frames) {
      const std::size_t index = f.stream / 2;
      if (f.stream % 2 == 1 && index < channels_.size()) out.push_back({channels_[index], std::move(f.data)});
    }
    return out;
  }

 private:
  std::string open(ExecChannel channel, std::string_view type) {
    channels_.push_back(channel);
    return client_.open_stream("streamtype", type);
  }
  std::string frame(ExecChannel channel, std::string_view data, bool last) {
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      if (channels_[i] == channel) return SpdyClient::data_frame(static_cast<std::uint32_t>(2 * i + 1), data, last);
    }
    return {};
  }
  SpdyClient client_;
  std::vector<ExecChannel> channels_;  // of streams 1, 3, 5, ...
};

}  // namespace

std::unique_ptr<ExecProtocol> make_websocket_protocol() { return std::make_unique<WebSocketProtocol>(); }
std::unique_ptr<ExecProtocol> make_spdy_protocol() { return std::make_unique<SpdyProtocol>(); }

}  // namespace keelson::agent
