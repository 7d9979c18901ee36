// Any Secret with registry credentials is read or ignored.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "models/api/types/core.h"
#include "models/node/docker_auth.h"
#include "models/node/image_catalog.h"

using namespace mainspring;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const node::ImageName kImage = node::parse_image("registry.example.com/team/app:1");
  const auto read = [&](const char* type, const char* key, bool plain) {
    api::Secret secret;
    secret.type = type;
    (plain ? secret.string_data : secret.data).set(key, text);
    for (const node::DockerAuth& auth : node::docker_auths(secret)) auth.matches(kImage);
  };
  for (const bool plain : {false, true}) {
    read("kubernetes.io/dockerconfigjson", ".dockerconfigjson", plain);
    read("kubernetes.io/dockercfg", ".dockercfg", plain);
  }
  return 0;
}
