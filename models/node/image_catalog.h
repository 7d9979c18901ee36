// The images that exist in registries: how big they are, and who may pull them.
//
// An image that the scenario does not mention exists, is public, and has a size computed from its
// name: 20 to 420 MB compressed, small ones more frequent. Units: bytes, compressed as downloaded,
// which is also the size that containerd reports of a stored image
// (containerd v2 internal/cri/store/image/image.go).
// Not modelled: layers shared between images, registry rate limits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/types/core.h"
#include "models/api/value.h"
#include "models/client/flat_index.h"

namespace mainspring::node {

// "nginx" -> docker.io, library/nginx, latest. A tag before a digest does not count.
// Source: github.com/distribution/reference v0.6.0 normalize.go ParseDockerRef, which containerd
// uses.
struct ImageName {
  std::string registry;
  std::string repository;
  std::string tag;      // or digest, with its '@'
  bool latest = false;  // the tag is "latest" or missing: the pull policy's default is Always
  // As the container runtime names it: "docker.io/library/nginx:latest".
  std::string reference() const;
};
ImageName parse_image(std::string_view image);

class ImageCatalog {
 public:
  struct Image {
    api::Str name;
    int64_t bytes = 0;     // 0: computed from the name
    bool missing = false;  // no registry has it
  };
  struct Registry {
    api::Str host;  // "docker.io", "registry.example.com"
    bool is_private = false;
    api::Str username;  // a private one takes this one; empty: any credentials for its host
    bool down = false;
  };
  void set_image(const Image& image);
  void set_registry(Registry registry);
  void set_down(std::string_view host, bool down);
  // Slows every pull by this factor, in thousandths; 1000 is normal.
  void set_slowdown(int64_t per_mille) { slowdown_per_mille_ = per_mille; }
  int64_t slowdown() const { return slowdown_per_mille_; }

  // The image that a name means: "nginx" and "docker.io/library/nginx:latest" have one number.
  uint32_t number(std::string_view image);
  // As the kubelet shows it where it is stored. Its names are one object for all nodes.
  const api::ContainerImage& shown(uint32_t number) const { return images_[number].shown; }
  bool missing(std::string_view image) const;
  const Registry* registry(std::string_view host) const;

 private:
  struct Entry {
    api::ContainerImage shown;
    bool missing = false;
  };
  std::optional<uint32_t> find(std::string_view image) const;

  std::vector<Entry> images_;
  client::FlatIndex by_name_;         // by reference, and by other names once they were met
  std::vector<Registry> registries_;  // few
  int64_t slowdown_per_mille_ = 1000;
};

}  // namespace mainspring::node
