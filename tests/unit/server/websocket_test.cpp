#include <catch2/catch.hpp>

#include "agent/cli/exec_session.hpp"
#include "agent/cli/spdy.hpp"
#include "agent/cli/websocket.hpp"

using namespace keelson;
using namespace keelson::agent;

namespace {

// A frame as a server sends it: not masked.
std::string server_frame(unsigned first, std::string_view payload) {
  std::string out(1, static_cast<char>(first));
  if (payload.size() < 126) {
    out += static_cast<char>(payload.size());
  } else {
    out += static_cast<char>(126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  return out.append(payload);
}

}  // namespace

TEST_CASE("The handshake of RFC 6455 section 1.3") {
  CHECK(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  CHECK(make_websocket_key().size() == 24);
  CHECK(make_websocket_key() != make_websocket_key());
}

TEST_CASE("Frames out are masked; RFC 6455 section 5.7's Hello") {
  const std::string hello("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
  CHECK(websocket_frame(WebSocketOpcode::text, "Hello", 0x37fa213d) == hello);
  CHECK(websocket_frame(WebSocketOpcode::binary, std::string(300, 'x'), 1).substr(0, 4) ==
        std::string("\x82\xfe\x01\x2c", 4));
  CHECK(websocket_frame(WebSocketOpcode::binary, std::string(70000, 'x'), 1).substr(0, 10) ==
        std::string("\x82\xff\0\0\0\0\0\x01\x11\x70", 10));
}

TEST_CASE("Messages in, however they are cut") {
  const auto bytes = server_frame(0x82, std::string("\x01out", 4)) + server_frame(0x89, "ping") +
                     server_frame(0x02, "a") + server_frame(0x80, "b") + server_frame(0x82, std::string(300, 'y'));
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, bytes.size()}) {
    WebSocketReader reader;
    std::vector<WebSocketMessage> got;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      auto messages = reader.feed(std::string_view(bytes).substr(at, step));
      REQUIRE(messages.has_value());
      for (auto& m : *messages) got.push_back(std::move(m));
    }
    REQUIRE(got.size() == 4);
    CHECK(got[0].payload == "\x01out");
    CHECK(got[1].opcode == WebSocketOpcode::ping);
    CHECK(got[2].payload == "ab");
    CHECK(got[3].payload == std::string(300, 'y'));
  }
}

TEST_CASE("Frames against the protocol are errors") {
  WebSocketReader masked;
  CHECK_FALSE(masked.feed(std::string("\x82\x81\0\0\0\0x", 7)).has_value());
  WebSocketReader reserved;
  CHECK_FALSE(reserved.feed(std::string("\xc2\x01x", 3)).has_value());
  WebSocketReader huge;
  CHECK_FALSE(huge.feed(std::string("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10)).has_value());
  WebSocketReader orphan;
  CHECK_FALSE(orphan.feed(server_frame(0x80, "x")).has_value());
}

TEST_CASE("The Status of an exec's end") {
  CHECK(*exec_exit_code(R"({"metadata":{},"status":"Success"})") == 0);
  CHECK(
      *exec_exit_code(R"({"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with exit code 7",
        "details":{"causes":[{"reason":"ExitCode","message":"7"}]}})") == 7);
  CHECK(exec_exit_code(R"({"status":"Failure","message":"no such program"})").error().message == "no such program");
  CHECK(exec_exit_code("plain words").error().message == "plain words");
}

TEST_CASE("SPDY streams are opened with stored header blocks of one zlib stream") {
  SpdyClient client;
  const auto first = client.open_stream("streamtype", "error");
  CHECK(first.substr(0, 8) == std::string("\x80\x03\0\x01\0\0\0\x31", 8));
  CHECK(first.substr(8, 10) == std::string("\0\0\0\x01\0\0\0\0\0\0", 10));
  CHECK(first.substr(18) == std::string("\x78\x01\0\x1b\0\xe4\xff\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x05"
                                        "error\0\0\0\xff\xff",
                                        39));
  const auto second = client.open_stream("streamtype", "stdin");
  CHECK(second.substr(8, 4) == std::string("\0\0\0\x03", 4));
  CHECK(second.substr(18, 2) == std::string("\0\x1b", 2));  // the zlib header came once
  CHECK(SpdyClient::data_frame(3, "ab", false) == std::string("\0\0\0\x03\0\0\0\x02"
                                                              "ab",
                                                              10));
  CHECK(SpdyClient::data_frame(3, "", true) == std::string("\0\0\0\x03\x01\0\0\0", 8));
}

TEST_CASE("SPDY frames in, however they are cut; pings of the server's are answered") {
  const std::string reply("\x80\x03\0\x02\0\0\0\x06\0\0\0\x01xx", 14);
  const std::string ping("\x80\x03\0\x06\0\0\0\x04\0\0\0\x02", 12);
  const auto bytes = reply + SpdyClient::data_frame(5, "out", false) + ping + SpdyClient::data_frame(1, "end", true);
  for (const std::size_t step : {std::size_t{1}, std::size_t{5}, bytes.size()}) {
    SpdyClient client;
    std::vector<SpdyData> got;
    std::string replies;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      auto frames = client.feed(std::string_view(bytes).substr(at, step), replies);
      REQUIRE(frames.has_value());
      for (auto& f : *frames) got.push_back(std::move(f));
    }
    REQUIRE(got.size() == 2);
    CHECK(got[0].stream == 5);
    CHECK(got[0].data == "out");
    CHECK(got[1].stream == 1);
    CHECK(replies == ping);
  }
  SpdyClient client;
  std::string replies;
  CHECK_FALSE(client.feed(std::string("\x80\x02\0\x01\0\0\0\0", 8), replies).has_value());
}

TEST_CASE("The channels of exec over both protocols") {
  const auto spdy = make_spdy_protocol();
  CHECK(spdy->opening({.in = true, .err = true, .tty = false}).size() == 57 + 55 + 56 + 56);
  CHECK(spdy->input("x") == SpdyClient::data_frame(3, "x", false));
  CHECK(spdy->input_end() == SpdyClient::data_frame(3, "", true));
  std::string replies;
  bool closed = false;
  const auto chunks =
      spdy->feed(SpdyClient::data_frame(7, "err", false) + SpdyClient::data_frame(1, "{}", false), replies, closed);
  REQUIRE(chunks.has_value());
  REQUIRE(chunks->size() == 2);
  CHECK((*chunks)[0].channel == ExecChannel::err);
  CHECK((*chunks)[1].channel == ExecChannel::status);
  const auto websocket = make_websocket_protocol();
  CHECK(websocket->input_end().empty());
  const auto bye = websocket->feed(server_frame(0x88, ""), replies, closed);
  REQUIRE(bye.has_value());
  CHECK(closed);
}
