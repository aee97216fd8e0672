#include "agent/images/image_collector.hpp"

#include <sys/statvfs.h>

#include <limits>

#include "agent/spec/image_ref.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

constexpr auto kPeriod = std::chrono::minutes(5);

void add_name(std::set<std::string>& used, const std::string& name) {
  if (name.empty()) return;
  used.insert(name);
  if (const auto reference = spec::parse_image_reference(name)) used.insert(reference->normalized());
}

}  // namespace

ImageCollector::ImageCollector(BlockingPool& pool, cri::RuntimeService& runtime, cri::ImageService& images,
                               ImageManager& manager, const Clock& clock, ImageGcPolicy policy,
                               ImageCollectorSeams seams)
    : pool_(pool),
      runtime_(runtime),
      images_(images),
      manager_(manager),
      clock_(clock),
      policy_(policy),
      seams_(std::move(seams)),
      history_(clock.now()) {}

Awaitable<void> ImageCollector::run() {
  for (;;) {
    co_await sleep_for(kPeriod);
    const auto done = co_await collect(false);
    if (!done) {
      log_warn("images not collected", {{"error", done.error()}});
      // The first failure may be a runtime that is only just starting, as upstream has it.
      if (failed_before_) seams_.on_event("Warning", "ImageGCFailed", done.error().message);
    }
    failed_before_ = !done;
  }
}

Awaitable<Result<std::uint64_t>> ImageCollector::collect(bool all) {
  CO_TRY(const auto candidates, co_await unused());
  std::uint64_t bytes = std::numeric_limits<std::uint64_t>::max();
  if (!all) {
    CO_TRY(const auto fs, co_await space());
    if (fs.capacity == 0) {
      seams_.on_event("Warning", "InvalidDiskCapacity", "invalid capacity 0 on image filesystem");
      co_return make_error(Errc::failed_precondition, "invalid capacity 0 on image filesystem");
    }
    bytes = bytes_to_free(policy_, fs.capacity, fs.available);
  }
  auto chosen = choose_images(policy_, candidates, bytes, history_.began(), clock_.now());
  auto freed = co_await remove(std::move(chosen));
  if (freed && !all && *freed < bytes) {
    const auto text = "Failed to garbage collect required amount of images. Attempted to free " +
                      std::to_string(bytes) + " bytes, but only found " + std::to_string(*freed) +
                      " bytes eligible to free.";
    seams_.on_event("Warning", "FreeDiskSpaceFailed", text);
    log_warn("too few images could be removed", {{"wanted_bytes", bytes}, {"freed_bytes", *freed}});
  }
  co_return freed;
}

Awaitable<Result<ImageCollector::Space>> ImageCollector::space() {
  cri::v1::ImageFsInfoRequest request;
  CO_TRY(const auto info, co_await images_.image_fs_info(std::move(request)));
  if (info.image_filesystems_size() == 0)
    co_return make_error(Errc::unavailable, "the runtime names no image filesystem");
  auto work = [path = info.image_filesystems(0).fs_id().mountpoint()]() -> Result<Space> {
    struct statvfs stat {};
    if (::statvfs(path.c_str(), &stat) != 0) return errno_error(errno, "statvfs " + path);
    return Space{stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize};
  };
  co_return co_await pool_.run(std::move(work));
}

Awaitable<Result<std::vector<UnusedImage>>> ImageCollector::unused() {
  cri::v1::ListImagesRequest about_images;
  CO_TRY(const auto list, co_await images_.list_images(std::move(about_images)));
  cri::v1::ListContainersRequest about_containers;
  CO_TRY(const auto containers, co_await runtime_.list_containers(std::move(about_containers)));
  std::set<std::string> used;
  for (const auto& c : containers.containers()) {
    for (const auto& name : {c.image_ref(), c.image().image(), c.image().user_specified_image()}) add_name(used, name);
  }
  for (const auto& name : seams_.wanted()) add_name(used, name);
  add_name(used, sandbox_image_);
  std::vector<ListedImage> images;
  for (const auto& image : list.images()) {
    ListedImage listed{image.id(), {image.repo_tags().begin(), image.repo_tags().end()}, image.size(), image.pinned()};
    listed.names.insert(listed.names.end(), image.repo_digests().begin(), image.repo_digests().end());
    images.push_back(std::move(listed));
  }
  co_return history_.observe(images, used, clock_.now());
}

Awaitable<Result<std::uint64_t>> ImageCollector::remove(std::vector<UnusedImage> images) {
  std::uint64_t freed = 0;
  std::optional<Error> failure;
  for (const auto& image : images) {
    cri::v1::RemoveImageRequest request;
    request.mutable_image()->set_image(image.id);
    const auto removed = co_await images_.remove_image(std::move(request));
    if (!removed) {
      log_warn("image not removed", {{"image", image.id}, {"error", removed.error()}});
      failure = removed.error();
      continue;
    }
    manager_.image_removed(image.id);
    log_info("unused image removed", {{"image", image.id}, {"bytes", image.size}});
    freed += image.size;
  }
  if (failure && freed == 0) co_return *failure;
  co_return freed;
}

}  // namespace keelson::agent
