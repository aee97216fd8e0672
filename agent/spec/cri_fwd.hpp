// CRI messages that the builders return, declared only: "cri/api.pb.h" is costly to include.
#pragma once

namespace runtime::v1 {
class ContainerConfig;
class Image;
class LinuxContainerResources;
class LinuxContainerSecurityContext;
class NamespaceOption;
class PodSandboxConfig;
}  // namespace runtime::v1

namespace keelson::spec {
namespace v1 = ::runtime::v1;
}  // namespace keelson::spec
