#include "models/node/docker_auth.h"

#include <algorithm>
#include <array>
#include <optional>

#include "models/api/json.h"
#include "models/api/text.h"
#include "models/api/yaml.h"

namespace mainspring::node {

namespace {

// config.go decodeDockerConfigFieldAuth: "user:password" with or without padding.
std::optional<std::string> user_of(std::string_view field) {
  const size_t last = field.find_last_not_of(" \t\r\n");
  const bool padded = last != std::string_view::npos && field[last] == '=';
  const std::optional<std::string> pair = api::decode_base64(field, padded);
  const size_t colon = pair ? pair->find(':') : std::string::npos;
  return colon == std::string::npos ? std::nullopt : std::optional(pair->substr(0, colon));
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
    text = api::decode_base64(*encoded);
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
      auth.username = user_of(both->as_view()).value_or("");
    }
    auths.push_back(std::move(auth));
  }
  std::stable_sort(auths.begin(), auths.end(), [](const DockerAuth& a, const DockerAuth& b) {
    return a.path.size() > b.path.size();
  });
  return auths;
}

}  // namespace mainspring::node
