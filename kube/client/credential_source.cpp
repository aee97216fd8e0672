#include "kube/client/credential_source.hpp"

#include <sys/stat.h>

#include "base/clock.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "kube/client/credentials.hpp"

namespace keelson::kube {
namespace {

constexpr auto kLookInterval = Seconds(1);
constexpr auto kPluginRetry = Seconds(5);  // those who waited for a run that failed do not each run it again
constexpr std::size_t kMaxFile = 4U << 20U;

}  // namespace

// A file's text, read again when stat(2) tells that it is another or changed; or text given in place, which never does.
class CredentialSource::WatchedFile {
 public:
  explicit WatchedFile(const PemSource& source)
      : path_(source.data.empty() ? source.file.string() : ""), text_(source.data) {}

  // True when the text is new. After an error the text is what it was.
  Result<bool> look() {
    if (path_.empty()) return false;
    struct stat now {};
    if (::stat(path_.c_str(), &now) != 0) return errno_error(errno, path_);
    if (same(now)) return false;
    TRY(std::string text, read_file(path_, kMaxFile));
    seen_ = now;
    if (text == text_) return false;
    text_ = std::move(text);
    return true;
  }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool in_use() const { return !path_.empty() || !text_.empty(); }

 private:
  [[nodiscard]] bool same(const struct stat& now) const {
    return seen_ && seen_->st_ino == now.st_ino && seen_->st_dev == now.st_dev && seen_->st_size == now.st_size &&
           seen_->st_mtim.tv_sec == now.st_mtim.tv_sec && seen_->st_mtim.tv_nsec == now.st_mtim.tv_nsec;
  }
  std::string path_;
  std::string text_;
  std::optional<struct stat> seen_;
};

CredentialSource::CredentialSource(const Executor& executor, ClientConfig config)
    : config_(std::move(config)),
      ca_(std::make_unique<WatchedFile>(config_.ca)),
      certificate_(std::make_unique<WatchedFile>(config_.client_certificate)),
      key_(std::make_unique<WatchedFile>(config_.client_key)),
      token_(std::make_unique<WatchedFile>(config_.token_file.empty() ? PemSource{config_.token, {}}
                                                                      : PemSource{{}, config_.token_file})),
      plugin_turn_(executor, 1) {}

CredentialSource::~CredentialSource() = default;

Result<void> CredentialSource::compose() {
  auto made = std::make_shared<Credentials>();
  made->tls.ca_pem = ca_->text();
  made->tls.certificate_pem = plugin_ ? plugin_->certificate_pem : certificate_->text();
  made->tls.key_pem = plugin_ ? plugin_->key_pem : key_->text();
  made->tls.insecure = config_.insecure_skip_tls_verify;
  made->tls.server_name = config_.tls_server_name;
  made->tls.proxy_url = config_.proxy_url;
  made->token = token_->in_use() ? std::string(trim(token_->text())) : plugin_ ? plugin_->token : std::string();
  if (ca_->in_use()) CHECK_OK(with_context(check_certificates(made->tls.ca_pem), "certificate-authority"));
  if (!made->tls.certificate_pem.empty()) {
    CHECK_OK(with_context(check_key_pair(made->tls.certificate_pem, made->tls.key_pem), "client-certificate"));
  }
  current_ = std::move(made);
  dirty_ = false;
  return {};
}

Result<void> CredentialSource::look_at_files() {
  for (WatchedFile* file : {ca_.get(), certificate_.get(), key_.get(), token_.get()}) {
    TRY(const bool is_new, file->look());
    dirty_ |= is_new;
  }
  return dirty_ ? compose() : Result<void>();
}

bool CredentialSource::plugin_due() const {
  return config_.exec && (!plugin_ || (plugin_->expires && *plugin_->expires <= system_clock().now()));
}

Awaitable<Result<void>> CredentialSource::run_plugin() {
  const Semaphore::Permit turn = co_await plugin_turn_.acquire();
  if (!plugin_due()) co_return Result<void>();
  if (plugin_failure_ && std::chrono::steady_clock::now() < plugin_retry_) co_return *plugin_failure_;
  Result<bool> looked = ca_->look();
  if (!looked) co_return looked.error();
  ClientConfig config = config_;
  std::string ca_pem = ca_->text();
  Result<ExecCredential> given = co_await run_exec_plugin(std::move(config), std::move(ca_pem));
  if (!given) {
    plugin_failure_ = given.error();
    plugin_retry_ = std::chrono::steady_clock::now() + kPluginRetry;
    co_return given.error();
  }
  plugin_failure_.reset();
  plugin_ = std::move(*given);
  co_return compose();
}

Awaitable<Result<CredentialsPtr>> CredentialSource::current() {
  if (plugin_due()) {
    Result<void> ran = co_await run_plugin();
    if (!ran) co_return ran.error();
  }
  const auto now = std::chrono::steady_clock::now();
  if (current_ && now < next_look_) co_return current_;
  next_look_ = now + kLookInterval;
  const Result<void> looked = look_at_files();
  if (looked) {
    last_problem_.clear();
  } else if (!current_) {
    co_return Error{Errc::unavailable, looked.error().message, looked.error().reason};
  } else if (last_problem_ != looked.error().message) {
    last_problem_ = looked.error().message;
    log_warn("credentials kept as they were", {{"error", last_problem_}});
  }
  co_return current_;
}

bool CredentialSource::refused(const CredentialsPtr& used) {
  next_look_ = SteadyTime{};
  if (used != current_) return true;  // another request has already brought new ones
  if (!config_.exec) return false;
  plugin_.reset();
  return true;
}

}  // namespace keelson::kube
