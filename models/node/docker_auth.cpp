#include "models/node/docker_auth.h"

#include <algorithm>
#include <array>
#include <optional>

#include "models/api/json.h"
#include "models/api/yaml.h"

namespace mainspring::node {

namespace {

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  for (const char ch : text) {
    uint32_t v = 0;
    if (ch >= 'A' && ch <= 'Z') {
      v = static_cast<uint32_t>(ch - 'A');
    } else if (ch >= 'a' && ch <= 'z') {
      v = static_cast<uint32_t>(ch - 'a') + 26;
    } else if (ch >= '0' && ch <= '9') {
      v = static_cast<uint32_t>(ch - '0') + 52;
    } else if (ch == '+') {
      v = 62;
    } else if (ch == '/') {
      v = 63;
    } else if (ch == '=' || ch == '\n' || ch == '\r') {
      continue;
    } else {
      return std::nullopt;
    }
    bits = bits << 6 | v;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<char>(bits >> have & 0xff));
    }
  }
  return out;
}

}  // namespace

bool DockerAuth::matches(const ImageName& image) const {
  if (host.starts_with("*.")) {
    const size_t dot = image.registry.find('.');
    if (dot == std::string::npos ||
        std::string_view(image.registry).substr(dot) != std::string_view(host).substr(1)) {
      return false;
    }
  } else if (host != image.registry) {
    return false;
  }
  return image.repository.starts_with(path);
}

std::vector<DockerAuth> docker_auths(const api::Secret& secret) {
  std::vector<DockerAuth> auths;
  const bool json = secret.type == "kubernetes.io/dockerconfigjson";
  if (!json && secret.type != "kubernetes.io/dockercfg") return auths;
  const std::string_view key = json ? ".dockerconfigjson" : ".dockercfg";
  std::optional<std::string> text;
  if (const api::Str* plain = secret.string_data.find(key)) {
    text = plain->str();
  } else if (const api::Str* encoded = secret.data.find(key)) {
    text = decode_base64(*encoded);
  }
  if (!text) return auths;
  bool ok = false;
  const api::Json root = api::parse_json(*text, &ok);
  if (!ok) return auths;
  const api::Json* table = json ? root.find("auths") : &root;
  if (!table || !table->is_object()) return auths;
  for (const api::Json::Member& member : table->members()) {
    DockerAuth auth;
    std::string_view url = member.key;
    if (url.starts_with("https://")) url.remove_prefix(8);
    if (url.starts_with("http://")) url.remove_prefix(7);
    if (const size_t slash = url.find('/'); slash != std::string_view::npos) {
      auth.path = url.substr(slash + 1);
      url = url.substr(0, slash);
    }
    // The old way to name Docker Hub, whose path says nothing about repositories.
    if (url == "index.docker.io") {
      url = "docker.io";
      auth.path.clear();
    }
    if (auth.path == "v1/" || auth.path == "v2/" || auth.path == "v1" || auth.path == "v2") {
      auth.path.clear();
    }
    auth.host = url;
    if (const api::Json* user = member.value.find("username"); user && user->is_string()) {
      auth.username = user->as_view();
    } else if (const api::Json* both = member.value.find("auth"); both && both->is_string()) {
      if (const auto pair = decode_base64(both->as_view())) {
        auth.username = pair->substr(0, pair->find(':'));
      }
    }
    auths.push_back(std::move(auth));
  }
  std::stable_sort(auths.begin(), auths.end(), [](const DockerAuth& a, const DockerAuth& b) {
    return a.path.size() > b.path.size();
  });
  return auths;
}

}  // namespace mainspring::node
