// Registry credentials in Secrets, as the kubelet reads them.
// Source: pkg/credentialprovider (config.go, keyring.go): URLsMatch by host and path prefix.
#pragma once

#include <string>
#include <vector>

#include "models/api/types/core.h"
#include "models/node/image_catalog.h"

namespace mainspring::node {

struct DockerAuth {
  std::string host;  // may have a leading "*." label
  std::string path;  // prefix of the repository; empty: all
  std::string username;
  bool matches(const ImageName& image) const;
};

// The entries of a Secret of type kubernetes.io/dockerconfigjson or dockercfg, the most specific
// first; none for other Secrets and for what cannot be read.
std::vector<DockerAuth> docker_auths(const api::Secret& secret);

}  // namespace mainspring::node
