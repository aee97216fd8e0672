// Removes images that nobody uses when their filesystem fills up: every five minutes, and when eviction asks for it.
// Lives on the loop's thread.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "agent/images/image_gc.hpp"
#include "agent/images/image_manager.hpp"
#include "base/blocking_pool.hpp"

namespace keelson::agent {

struct ImageCollectorSeams {
  // Images, as specs name them, of the pods that are wanted here: they stay, also while no container is made of them.
  std::function<std::set<std::string>()> wanted;
  // An event about the node: type, reason, message.
  std::function<void(const std::string& type, const std::string& reason, const std::string& message)> on_event;
};

class ImageCollector {
 public:
  ImageCollector(BlockingPool& pool, cri::RuntimeService& runtime, cri::ImageService& images, ImageManager& manager,
                 const Clock& clock, ImageGcPolicy policy, ImageCollectorSeams seams);

  // The image of the runtime's sandboxes: older runtimes do not say that it is pinned.
  void set_sandbox_image(std::string name) { sandbox_image_ = std::move(name); }
  // Collects for ever, until cancelled.
  Awaitable<void> run();
  // One round; the bytes that the removed images had. `all`: every unused image that is old enough goes, however much
  // space there is. Errors: the runtime did not answer.
  Awaitable<Result<std::uint64_t>> collect(bool all);

 private:
  struct Space {
    std::uint64_t capacity = 0, available = 0;
  };
  Awaitable<Result<Space>> space();
  Awaitable<Result<std::vector<UnusedImage>>> unused();
  Awaitable<Result<std::uint64_t>> remove(std::vector<UnusedImage> images);

  BlockingPool& pool_;
  cri::RuntimeService& runtime_;
  cri::ImageService& images_;
  ImageManager& manager_;
  const Clock& clock_;
  ImageGcPolicy policy_;
  ImageCollectorSeams seams_;
  std::string sandbox_image_;
  ImageHistory history_;
  bool failed_before_ = false;
};

}  // namespace keelson::agent
