#include "base/strings.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>

namespace keelson {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const auto& part : parts) {
    if (&part != &parts.front()) out += separator;
    out += part;
  }
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

namespace {

template <class F>
std::string map_chars(std::string_view text, F f) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(f(static_cast<unsigned char>(c)));
  return out;
}

void random_bytes(unsigned char* out, std::size_t n) {
  for (std::size_t at = 0; at < n;) {
    const ssize_t got = ::getrandom(out + at, n - at, 0);
    if (got > 0) at += static_cast<std::size_t>(got);
  }
}

}  // namespace

std::string to_lower(std::string_view text) {
  return map_chars(text, [](int c) { return std::tolower(c); });
}

std::string to_upper(std::string_view text) {
  return map_chars(text, [](int c) { return std::toupper(c); });
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (;;) {
    const auto at = from.empty() ? std::string_view::npos : text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

std::string to_hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const unsigned char c : bytes) {
    out += kDigits[c >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

std::string random_suffix(std::size_t n) {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out(n, 'x');
  for (char& c : out) {
    unsigned char byte = 0;
    do {
      random_bytes(&byte, 1);
    } while (byte >= 256 - 256 % kAlphabet.size());
    c = kAlphabet[byte % kAlphabet.size()];
  }
  return out;
}

std::string random_uuid() {
  unsigned char b[16];
  random_bytes(b, sizeof b);
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  std::string hex = to_hex(std::string_view(reinterpret_cast<const char*>(b), sizeof b));
  for (const std::size_t at : {8, 13, 18, 23}) hex.insert(at, 1, '-');
  return hex;
}

std::string sha256(std::string_view data) {
  // Looked up once: that takes longer than the digest of a short text.
  static const EVP_MD* const kind = ::EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  ::EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr, kind, nullptr);
  return out;
}

std::uint32_t fnv32a(std::string_view data) {
  std::uint32_t h = 2166136261u;
  for (const unsigned char c : data) h = (h ^ c) * 16777619u;
  return h;
}

std::uint64_t fnv64a(std::string_view data) {
  std::uint64_t h = 14695981039346656037ull;
  for (const unsigned char c : data) h = (h ^ c) * 1099511628211ull;
  return h;
}

std::string base64_encode(std::string_view data) {
  std::string out(4 * ((data.size() + 2) / 3), '\0');
  ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(data.data()),
                    static_cast<int>(data.size()));
  return out;
}

bool base64_decode(std::string_view text, std::string& out) {
  std::string packed;
  for (const char c : text) {
    if (c != '\n' && c != '\r') packed += c;
  }
  if (packed.size() % 4 != 0) return false;
  std::string bytes(packed.size() / 4 * 3, '\0');
  const int n =
      ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                        reinterpret_cast<const unsigned char*>(packed.data()), static_cast<int>(packed.size()));
  if (n < 0) return false;
  std::size_t padding = 0;
  while (padding < 2 && padding < packed.size() && packed[packed.size() - 1 - padding] == '=') ++padding;
  bytes.resize(static_cast<std::size_t>(n) - padding);
  out = std::move(bytes);
  return true;
}

}  // namespace keelson
