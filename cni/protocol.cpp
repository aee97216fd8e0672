#include "cni/protocol.hpp"

#include "cni/json_util.hpp"

namespace keelson::cni {
namespace {

Result<int> check_version(const Json& object) {
  TRY(auto version, get_int(object, "version"));
  if (version == kProtocolVersion) return kProtocolVersion;
  return make_error(Errc::invalid_argument, "shim protocol version " +
                                                (version ? std::to_string(*version) : "missing") +
                                                ", this side speaks " + std::to_string(kProtocolVersion) +
                                                ": keelson and keelson-cni are of different releases");
}

}  // namespace

std::string encode(const ShimRequest& request) {
  return dump(Json{{"version", request.version}, {"env", request.env}, {"stdin", request.stdin_data}});
}

std::string encode(const ShimReply& reply) {
  return dump(Json{{"version", reply.version}, {"exitCode", reply.exit_code}, {"stdout", reply.stdout_data}});
}

Result<ShimRequest> decode_request(std::string_view payload) {
  TRY(Json object, parse_json_object(payload));
  ShimRequest request;
  TRY(request.version, check_version(object));
  TRY(request.stdin_data, get_string(object, "stdin"));
  const Json* env = member(object, "env");
  if (!env || !env->is_object()) return make_error(Errc::invalid_argument, "env: expected object");
  for (const auto& [key, value] : env->items()) {
    if (!value.is_string()) return wrong_type("env." + key, "string", value);
    request.env[key] = value.get<std::string>();
  }
  return request;
}

Result<ShimReply> decode_reply(std::string_view payload) {
  TRY(Json object, parse_json_object(payload));
  ShimReply reply;
  TRY(reply.version, check_version(object));
  TRY(auto exit_code, get_int(object, "exitCode"));
  if (!exit_code) return make_error(Errc::invalid_argument, "exitCode: required");
  reply.exit_code = *exit_code;
  TRY(reply.stdout_data, get_string(object, "stdout"));
  return reply;
}

std::string frame(std::string_view payload) {
  std::string out;
  out.reserve(kLengthBytes + payload.size());
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((payload.size() >> static_cast<unsigned>(shift)) & 0xff));
  }
  return out.append(payload);
}

Result<std::size_t> frame_length(std::string_view header) {
  if (header.size() != kLengthBytes) return make_error(Errc::invalid_argument, "message without a length");
  std::size_t length = 0;
  for (const char c : header) length = length << 8 | static_cast<unsigned char>(c);
  if (length > kMaxMessage) {
    return make_error(Errc::resource_exhausted, "message of " + std::to_string(length) + " bytes, at most " +
                                                    std::to_string(kMaxMessage) + " are taken");
  }
  return length;
}

}  // namespace keelson::cni
