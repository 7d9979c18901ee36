#include "models/node/image_catalog.h"

#include "sim/hash.h"

namespace mainspring::node {

namespace {

// 20 MB + 400 MB * u^2: half of all images are below 120 MB. By the short form of the name.
int64_t computed_bytes(std::string_view reference) {
  for (const std::string_view prefix : {"docker.io/", "library/"}) {
    if (reference.starts_with(prefix)) reference.remove_prefix(prefix.size());
  }
  constexpr std::string_view kLatest = ":latest";
  if (reference.ends_with(kLatest)) reference.remove_suffix(kLatest.size());
  const uint64_t u = sim::hash64(reference) >> 48;  // 16 bits
  return 20'000'000 + static_cast<int64_t>(400'000'000ULL * (u * u) >> 32);
}

}  // namespace

ImageName parse_image(std::string_view image) {
  ImageName name;
  std::string_view rest = image;
  // A first component with a dot, a colon or "localhost" is a registry's host.
  const size_t slash = rest.find('/');
  const std::string_view head = rest.substr(0, slash);
  if (slash != std::string_view::npos &&
      (head.find('.') != std::string_view::npos || head.find(':') != std::string_view::npos ||
       head == "localhost")) {
    name.registry = head == "index.docker.io" ? "docker.io" : std::string(head);
    rest.remove_prefix(slash + 1);
  } else {
    name.registry = "docker.io";
  }
  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    name.tag = rest.substr(at);
    rest = rest.substr(0, at);
    if (const size_t colon = rest.rfind(':'); colon != std::string_view::npos) {
      rest = rest.substr(0, colon);
    }
  } else if (const size_t colon = rest.rfind(':');
             colon != std::string_view::npos && rest.find('/', colon) == std::string_view::npos) {
    name.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    name.latest = name.tag == "latest";
  } else {
    name.tag = "latest";
    name.latest = true;
  }
  name.repository = rest;
  if (name.registry == "docker.io" && rest.find('/') == std::string_view::npos) {
    name.repository = "library/" + name.repository;
  }
  return name;
}

std::string ImageName::reference() const {
  std::string text = registry + '/' + repository;
  if (!tag.starts_with('@')) text += ':';
  return text + tag;
}

std::optional<uint32_t> ImageCatalog::find(std::string_view image) const {
  const auto n = by_name_.find(image);
  return n ? n : by_name_.find(parse_image(image).reference());
}

uint32_t ImageCatalog::number(std::string_view image) {
  if (const auto n = by_name_.find(image)) return *n;
  const std::string reference = parse_image(image).reference();
  auto n = by_name_.find(reference);
  if (!n) {
    n = static_cast<uint32_t>(images_.size());
    Entry entry;
    entry.shown.names = {api::Str(reference)};
    entry.shown.size_bytes = computed_bytes(reference);
    images_.push_back(std::move(entry));
    by_name_.set(reference, *n);
  }
  if (image != reference) by_name_.set(image, *n);
  return *n;
}

void ImageCatalog::set_image(const Image& image) {
  Entry& entry = images_[number(image.name)];
  if (image.bytes > 0) entry.shown.size_bytes = image.bytes;
  entry.missing = image.missing;
}

void ImageCatalog::set_registry(Registry r) {
  for (Registry& known : registries_) {
    if (known.host == r.host) {
      known = std::move(r);
      return;
    }
  }
  registries_.push_back(std::move(r));
}

void ImageCatalog::set_down(std::string_view host, bool down) {
  for (Registry& r : registries_) {
    if (r.host == host) {
      r.down = down;
      return;
    }
  }
  Registry r;
  r.host = host;
  r.down = down;
  registries_.push_back(std::move(r));
}

const ImageCatalog::Registry* ImageCatalog::registry(std::string_view host) const {
  for (const Registry& r : registries_) {
    if (r.host == host) return &r;
  }
  return nullptr;
}

bool ImageCatalog::missing(std::string_view image) const {
  const auto n = find(image);
  return n && images_[*n].missing;
}

}  // namespace mainspring::node
