// What a runtime answers, from the wire's bytes to what decisions are made of. The first byte chooses the message.
#include <boost/asio/impl/error.ipp>  // what of Asio the headers need, without compiling all of it

#include "agent/pod/observer.hpp"
#include "cri/event_decode.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace keelson;

template <class Message>
bool parse(Message& message, std::string_view bytes) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

void container(std::string_view bytes) {
  cri::v1::ContainerStatusResponse reply;
  if (!parse(reply, bytes)) return;
  const auto seen = agent::to_observation(reply.status(), "sandbox");
  fuzz::claim(seen.id == reply.status().id() && seen.sandbox_id == "sandbox", "an observation is of its container");
  agent::PodObservation pod;
  pod.containers = {seen, seen};
  agent::sort_newest_first(pod);
  fuzz::claim(pod.find(seen.name) != nullptr && pod.find_id(seen.id) != nullptr, "what was seen is found");
}

void sandbox(std::string_view bytes) {
  cri::v1::PodSandboxStatusResponse reply;
  if (!parse(reply, bytes)) return;
  const auto seen = agent::to_observation(reply.status());
  agent::PodObservation pod;
  pod.sandboxes = {seen, agent::SandboxObservation{}};
  agent::sort_newest_first(pod);
  fuzz::claim(pod.sandboxes.front().attempt >= pod.sandboxes.back().attempt, "the newest sandbox comes first");
}

void event(std::string_view bytes) {
  cri::v1::ContainerEventResponse reply;
  if (parse(reply, bytes)) static_cast<void>(cri::decode(reply));
  cri::containerd::Envelope envelope;
  if (parse(envelope, bytes)) static_cast<void>(cri::decode(envelope));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = fuzz::text(data + 1, size - 1);
  switch (data[0]) {
    case 'c':
      container(bytes);
      break;
    case 's':
      sandbox(bytes);
      break;
    case 'e':
      event(bytes);
      break;
    default:
      break;
  }
  return 0;
}
