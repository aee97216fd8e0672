#include "agent/cli/spdy.hpp"

namespace keelson::agent {
namespace {

enum ControlType : std::uint16_t { kSynStream = 1, kPing = 6 };
constexpr std::uint32_t kControl = 0x80030000;  // the control bit and version 3
constexpr std::size_t kFrameHeader = 8;

void append_number(std::string& out, std::uint32_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t out = 0;
  for (const char c : bytes.substr(at, size)) out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

// The text as a stored deflate block, and an empty one behind it: the flush after which an inflater hands it out.
std::string stored_block(std::string_view text) {
  const auto size = static_cast<std::uint16_t>(text.size());
  std::string out(1, '\0');
  for (const auto length : {size, static_cast<std::uint16_t>(~size)}) {
    out += static_cast<char>(length & 0xff);
    out += static_cast<char>(length >> 8);
  }
  out.append(text);
  return out.append("\0\0\0\xff\xff", 5);
}

}  // namespace

std::string SpdyClient::open_stream(std::string_view name, std::string_view value) {
  std::string headers;
  append_number(headers, 1, 4);
  for (const auto text : {name, value}) {
    append_number(headers, static_cast<std::uint32_t>(text.size()), 4);
    headers.append(text);
  }
  // One zlib stream runs through all header blocks of the connection; its own header stands before the first.
  const std::string block = (next_stream_ == 1 ? "\x78\x01" : "") + stored_block(headers);
  std::string out;
  append_number(out, kControl | kSynStream, 4);
  append_number(out, static_cast<std::uint32_t>(10 + block.size()), 4);  // flags 0
  append_number(out, next_stream_, 4);
  append_number(out, 0, 4);  // no associated stream
  append_number(out, 0, 2);  // priority, slot
  next_stream_ += 2;
  return out + block;
}

std::string SpdyClient::data_frame(std::uint32_t stream, std::string_view data, bool last) {
  std::string out;
  out.reserve(kFrameHeader + data.size());
  append_number(out, stream, 4);
  append_number(out, (last ? 1u << 24 : 0u) | static_cast<std::uint32_t>(data.size()), 4);
  return out.append(data);
}

Result<std::vector<SpdyData>> SpdyClient::feed(std::string_view bytes, std::string& replies) {
  buffer_.append(bytes);
  std::vector<SpdyData> out;
  std::size_t at = 0;
  while (buffer_.size() - at >= kFrameHeader) {
    const auto first = number_at(buffer_, at, 4);
    const std::size_t size = number_at(buffer_, at + 5, 3);
    if (size > kMaxFrame) return make_error(Errc::resource_exhausted, "SPDY frame too large");
    if (buffer_.size() - at < kFrameHeader + size) break;
    const bool control = (first & 0x80000000) != 0;
    if (control && (first & 0xffff0000) != kControl)
      return make_error(Errc::internal, "bad SPDY frame from the runtime");
    if (!control) {
      out.push_back({first, buffer_.substr(at + kFrameHeader, size)});
    } else if ((first & 0xffff) == kPing && size == 4 && number_at(buffer_, at + kFrameHeader, 4) % 2 == 0) {
      replies.append(buffer_, at, kFrameHeader + size);  // a ping of the server's: it comes back as it is
    }
    at += kFrameHeader + size;
  }
  buffer_.erase(0, at);
  return out;
}

}  // namespace keelson::agent
