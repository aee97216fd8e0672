#include "kube/client/credentials.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "base/strings.hpp"

namespace keelson::kube {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
void free_names(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }
void free_extensions(STACK_OF(X509_EXTENSION) * list) { sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free); }
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Request = std::unique_ptr<X509_REQ, Deleter<X509_REQ_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<free_names>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using Extensions = std::unique_ptr<STACK_OF(X509_EXTENSION), Deleter<free_extensions>>;

constexpr auto kClockSkew = std::chrono::hours(1);

Error ssl_error(const std::string& what, Errc code = Errc::invalid_argument) {
  const unsigned long number = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = number != 0 ? ERR_reason_error_string(number) : nullptr;
  return make_error(code, reason ? what + ": " + reason : what);
}

Bio reader(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

std::string contents(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

// No password is ever asked for at the terminal.
int no_password(char*, int, int, void*) { return -1; }

Result<Key> parse_key(const std::string& pem) {
  const Bio bio = reader(pem);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_password, nullptr));
  if (!key) return ssl_error("not a private key in PEM");
  return key;
}

Result<Certificate> parse_certificate(const std::string& pem) {
  const Bio bio = reader(pem);
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, &no_password, nullptr));
  if (!certificate) return ssl_error("not a certificate in PEM");
  return certificate;
}

std::string utf8(const ASN1_STRING* text) {
  unsigned char* data = nullptr;
  const int size = ASN1_STRING_to_UTF8(&data, text);
  if (size < 0) return {};
  std::string out(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return out;
}

Subject read_name(const X509_NAME* name) {
  Subject subject;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    std::string text = utf8(X509_NAME_ENTRY_get_data(entry));
    if (nid == NID_commonName)
      subject.common_name = std::move(text);
    else if (nid == NID_organizationName)
      subject.organizations.push_back(std::move(text));
  }
  return subject;
}

void fill_name(X509_NAME* name, const Subject& subject) {
  const auto add = [&](const char* field, const std::string& value) {
    const auto* text = reinterpret_cast<const unsigned char*>(value.data());
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, text, static_cast<int>(value.size()), -1, 0);
  };
  for (const std::string& organization : subject.organizations) add("O", organization);
  if (!subject.common_name.empty()) add("CN", subject.common_name);
}

std::string ip_bytes(const std::string& text) {
  unsigned char bytes[sizeof(in6_addr)];
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return std::string(reinterpret_cast<char*>(bytes), 4);
  if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return std::string(reinterpret_cast<char*>(bytes), 16);
  return {};
}

std::string ip_text(const ASN1_OCTET_STRING* ip) {
  char text[INET6_ADDRSTRLEN] = {};
  const int size = ASN1_STRING_length(ip);
  if (size == 4 || size == 16) inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof(text));
  return text;
}

void push_name(GENERAL_NAMES* names, int type, ASN1_STRING* value, const std::string& bytes) {
  ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size()));
  GENERAL_NAME* name = GENERAL_NAME_new();
  GENERAL_NAME_set0_value(name, type, value);
  sk_GENERAL_NAME_push(names, name);
}

Result<Extension> names_extension(const SubjectAltNames& wanted) {
  const Names names(GENERAL_NAMES_new());
  for (const std::string& dns : wanted.dns) push_name(names.get(), GEN_DNS, ASN1_IA5STRING_new(), dns);
  for (const std::string& ip : wanted.ips) {
    const std::string bytes = ip_bytes(ip);
    if (bytes.empty()) return make_error(Errc::invalid_argument, "subjectAltName: \"" + ip + "\" is no IP address");
    push_name(names.get(), GEN_IPADD, ASN1_OCTET_STRING_new(), bytes);
  }
  return Extension(X509V3_EXT_i2d(NID_subject_alt_name, 0, names.get()));
}

SubjectAltNames read_names(const X509* certificate) {
  SubjectAltNames out;
  const Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) out.dns.push_back(utf8(name->d.dNSName));
    if (name->type == GEN_IPADD) out.ips.push_back(ip_text(name->d.iPAddress));
  }
  return out;
}

Time read_time(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return Time(Seconds(::timegm(&parts)));
}

void set_time(ASN1_TIME* field, Time time) {
  ASN1_TIME_set(field, std::chrono::duration_cast<Seconds>(time.time_since_epoch()).count());
}

void add_extension(X509* certificate, int nid, const char* value) {
  const Extension extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  X509_add_ext(certificate, extension.get(), -1);
}

std::string der_of(const EVP_PKEY* key) {
  unsigned char* data = nullptr;
  const int size = i2d_PUBKEY(key, &data);
  if (size <= 0) return {};
  std::string out(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return out;
}

}  // namespace

std::string make_private_key() {
  const Key key(EVP_EC_gen("P-256"));
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return contents(bio);
}

Result<std::string> public_key_der(const std::string& key_pem) {
  TRY(const Key key, parse_key(key_pem));
  return der_of(key.get());
}

Result<std::string> make_certificate_request(const std::string& key_pem, const Subject& subject,
                                             const SubjectAltNames& names) {
  TRY(const Key key, parse_key(key_pem));
  const Request request(X509_REQ_new());
  X509_REQ_set_version(request.get(), X509_REQ_VERSION_1);
  fill_name(X509_REQ_get_subject_name(request.get()), subject);
  X509_REQ_set_pubkey(request.get(), key.get());
  if (!names.empty()) {
    TRY(Extension extension, names_extension(names));
    const Extensions extensions(sk_X509_EXTENSION_new_null());
    sk_X509_EXTENSION_push(extensions.get(), extension.release());
    X509_REQ_add_extensions(request.get(), extensions.get());
  }
  if (X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0)
    return ssl_error("signing the request", Errc::internal);
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  return contents(bio);
}

Result<std::string> request_key_der(const std::string& request_pem) {
  const Bio bio = reader(request_pem);
  const Request request(PEM_read_bio_X509_REQ(bio.get(), nullptr, &no_password, nullptr));
  if (!request) return ssl_error("not a certificate request in PEM");
  const EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (!key) return ssl_error("the certificate request has no key");
  return der_of(key);
}

Result<std::string> make_self_signed(const std::string& key_pem, const Subject& subject, const SubjectAltNames& names,
                                     Time now, Seconds lifetime) {
  TRY(const Key key, parse_key(key_pem));
  const Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial));
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1U);
  set_time(X509_getm_notBefore(certificate.get()), now - kClockSkew);
  set_time(X509_getm_notAfter(certificate.get()), now + lifetime);
  fill_name(X509_get_subject_name(certificate.get()), subject);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  X509_set_pubkey(certificate.get(), key.get());
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate.get(), NID_key_usage, "critical,digitalSignature,keyCertSign");
  add_extension(certificate.get(), NID_ext_key_usage, "serverAuth");
  if (!names.empty()) {
    TRY(const Extension extension, names_extension(names));
    X509_add_ext(certificate.get(), extension.get(), -1);
  }
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) {
    return ssl_error("signing the certificate", Errc::internal);
  }
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate.get());
  return contents(bio);
}

Result<CertificateFacts> read_certificate(const std::string& pem) {
  TRY(const Certificate certificate, parse_certificate(pem));
  CertificateFacts facts;
  facts.subject = read_name(X509_get_subject_name(certificate.get()));
  facts.issuer = read_name(X509_get_issuer_name(certificate.get()));
  facts.names = read_names(certificate.get());
  facts.not_before = read_time(X509_get0_notBefore(certificate.get()));
  facts.not_after = read_time(X509_get0_notAfter(certificate.get()));
  return facts;
}

Result<void> check_certificates(const std::string& pem) {
  const Bio bio = reader(pem);
  int found = 0;
  while (Certificate(PEM_read_bio_X509(bio.get(), nullptr, &no_password, nullptr))) ++found;
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (found == 0 || !at_end) return ssl_error("not certificates in PEM");
  ERR_clear_error();
  return {};
}

Result<void> check_key_pair(const std::string& certificate_pem, const std::string& key_pem) {
  TRY(const Certificate certificate, parse_certificate(certificate_pem));
  TRY(const Key key, parse_key(key_pem));
  if (X509_check_private_key(certificate.get(), key.get()) == 1) return {};
  ERR_clear_error();
  return make_error(Errc::invalid_argument, "the private key is not the certificate's");
}

Result<std::string> public_key_hash(const std::string& certificate_pem) {
  TRY(const Certificate certificate, parse_certificate(certificate_pem));
  return to_hex(sha256(der_of(X509_get0_pubkey(certificate.get()))));
}

}  // namespace keelson::kube
