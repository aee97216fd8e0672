// Small string helpers that the standard library lacks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson {

// The parts between separators; empty parts are kept. split("", ',') is one empty part.
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);
[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] std::string to_upper(std::string_view text);
[[nodiscard]] std::string replace_all(std::string_view text, std::string_view from, std::string_view to);
// Lower-case hex.
[[nodiscard]] std::string to_hex(std::string_view bytes);
// `n` characters of a-z0-9 without look-alikes, as the API server's name generator makes them.
[[nodiscard]] std::string random_suffix(std::size_t n);
// A random UUID, version 4.
[[nodiscard]] std::string random_uuid();
// SHA-256 digest, 32 raw bytes.
[[nodiscard]] std::string sha256(std::string_view data);
// FNV-1a, 32 and 64 bits, as Go's hash/fnv New32a and New64a.
[[nodiscard]] std::uint32_t fnv32a(std::string_view data);
[[nodiscard]] std::uint64_t fnv64a(std::string_view data);
// Standard base64 with padding.
[[nodiscard]] std::string base64_encode(std::string_view data);
// The bytes, or false when the text is not standard base64 (line breaks are allowed).
[[nodiscard]] bool base64_decode(std::string_view text, std::string& out);

}  // namespace keelson
