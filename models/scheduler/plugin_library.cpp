#include "models/scheduler/plugin_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string_view>

namespace mainspring::scheduler {

namespace {
constexpr const char* kEntryPoint = "mainspring_scheduler_plugins_v1";
}  // namespace

RegisterPlugins load_plugins(const std::string& path, std::string* error) {
  // A path without a slash would be searched for in the system's folders.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    *error = fmt::format("cannot be loaded: {}", dlerror());
    return nullptr;
  }
  using EntryPoint = const PluginModule* (*)();
  const auto entry = reinterpret_cast<EntryPoint>(dlsym(library, kEntryPoint));
  if (!entry) {
    *error = fmt::format("has no {}(): see MAINSPRING_SCHEDULER_PLUGINS", kEntryPoint);
    return nullptr;
  }
  const PluginModule* module = entry();
  if (std::string_view(module->api) != kPluginApi) {
    *error =
        fmt::format("is built against other headers ({}) than this program ({}); build it again",
                    module->api, kPluginApi);
    return nullptr;
  }
  if (std::string_view(module->compiler) != __VERSION__) {
    *error = fmt::format("is built with compiler {}, this program with {}", module->compiler,
                         __VERSION__);
    return nullptr;
  }
  return module->register_plugins;
}

}  // namespace mainspring::scheduler
