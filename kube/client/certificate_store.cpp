#include "kube/client/certificate_store.hpp"

#include <unistd.h>

#include <ctime>

#include "base/files.hpp"
#include "base/log.hpp"
#include "kube/client/credentials.hpp"

namespace keelson::kube {
namespace {

constexpr std::size_t kKept = 2;

std::string date_of(Time now) {
  const std::time_t seconds = std::chrono::duration_cast<Seconds>(now.time_since_epoch()).count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%d-%H-%M-%S", &parts);
  return text;
}

}  // namespace

Result<CertificatePair> CertificateStore::current() const {
  TRY(const std::string text, read_file(current_path()));
  CHECK_OK(with_context(check_key_pair(text, text), current_path().string()));
  return CertificatePair{text, text};  // readers of either skip the other's block
}

Result<void> CertificateStore::store(const CertificatePair& pair, Time now) const {
  CHECK_OK(check_key_pair(pair.certificate_pem, pair.key_pem));
  CHECK_OK(make_dirs(folder_, 0755));
  const std::string file = name_ + "-" + date_of(now) + ".pem";
  const bool one_text = pair.certificate_pem == pair.key_pem;
  std::string text = pair.certificate_pem;
  if (!text.empty() && text.back() != '\n') text += '\n';
  if (!one_text) text += pair.key_pem;
  CHECK_OK(write_file_atomic(folder_ / file, text, 0600));
  const auto link = folder_ / ("." + name_ + "-current.tmp");
  CHECK_OK(remove_file(link));
  if (::symlink(file.c_str(), link.c_str()) != 0) return errno_error(errno, "symlink " + link.string());
  if (::rename(link.c_str(), current_path().c_str()) != 0)
    return errno_error(errno, "rename " + current_path().string());
  prune(file);
  return {};
}

void CertificateStore::prune(const std::string& in_use) const {
  const auto names = list_dir(folder_);
  if (!names) return;
  std::vector<std::string> dated;
  for (const std::string& file : *names) {
    const bool ours = file.starts_with(name_ + "-2") && file.ends_with(".pem") && file != in_use;
    if (ours) dated.push_back(file);  // the names sort by date
  }
  for (std::size_t i = 0; i + kKept - 1 < dated.size(); ++i) {
    const auto removed = remove_file(folder_ / dated[i]);
    if (!removed) log_warn("former certificate left behind", {{"error", removed.error()}});
  }
}

Result<std::string> CertificateStore::pending_key() const {
  const auto path = folder_ / (name_ + ".key.tmp");
  auto key = read_file(path);
  if (key && public_key_der(*key)) return key;
  CHECK_OK(make_dirs(folder_, 0755));
  std::string made = make_private_key();
  CHECK_OK(write_file_atomic(path, made, 0600));
  return made;
}

Result<void> CertificateStore::drop_pending_key() const { return remove_file(folder_ / (name_ + ".key.tmp")); }

}  // namespace keelson::kube
