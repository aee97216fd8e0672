#include "volumes/payload_volume.hpp"

#include "volumes/atomic_writer.hpp"
#include "volumes/empty_dir.hpp"

namespace keelson::volumes {

Awaitable<Result<Refreshed>> PayloadVolume::refresh(VolumeRequest request) {
  Result<Content> wanted = co_await content(request);
  if (!wanted) co_return wanted.error();
  EmptyFolder folder = wrapped_folder(*context_, request, memory_);
  std::optional<FsGroup> group;
  if (request.fs_group) group = FsGroup{*request.fs_group, true, false};
  std::function<Result<bool>()> work = [context = context_, folder = std::move(folder),
                                        files = std::move(wanted->files), group]() -> Result<bool> {
    CHECK_OK(set_up_empty_folder(context->mounter, folder));
    return write_payload(folder.path, files, group, context->clock.now());
  };
  Result<bool> written = co_await jobs_.run(Lane::bounded, std::move(work));
  if (!written) co_return written.error();
  Refreshed done;
  done.written = *written;
  done.refresh_at = wanted->refresh_at;
  co_return done;
}

Awaitable<Result<MountedVolume>> PayloadVolume::set_up(VolumeRequest request) {
  MountedVolume mounted;
  mounted.name = request.volume.name;
  mounted.inner_name = request.inner_name;
  mounted.plugin = plugin();
  mounted.host_path = context_->paths.volume(request.pod_uid(), plugin(), request.inner_name).string();
  mounted.read_only = true;
  mounted.selinux_relabel = true;
  Result<Refreshed> done = co_await refresh(std::move(request));
  if (!done) co_return done.error();
  mounted.refresh_at = done->refresh_at;
  co_return mounted;
}

Awaitable<Result<void>> PayloadVolume::tear_down(VolumeOnDisk volume) {
  const std::string meta = (context_->paths.empty_dir_meta(volume.pod_uid) / ("wrapped_" + volume.inner_name)).string();
  std::function<Result<void>()> work = [context = context_, path = volume.path, meta] {
    return tear_down_empty_folder(context->mounter, path, meta);
  };
  Result<void> done = co_await jobs_.run(Lane::bounded, std::move(work));
  co_return done;
}

}  // namespace keelson::volumes
