// Scheduler plugins from shared libraries.
//
// A library is built against Mainspring's headers, unchanged ones, with the compiler that built
// Mainspring (plugins are C++ classes), and says with MAINSPRING_SCHEDULER_PLUGINS which function
// registers them. What it needs of Mainspring is found in the program that loads it. Libraries stay
// loaded until the process ends. A plugin must keep the rules of plugins: plain members, no clock,
// no chance of its own (docs/determinism.md); a library is an input of the run like any other file.
#pragma once

#include <string>

#include "models/scheduler/framework.h"
#include "models/scheduler/plugin_api.h"

namespace mainspring::scheduler {

using RegisterPlugins = void (*)(Registry&);

// What a library's entry point hands out.
struct PluginModule {
  const char* api;       // kPluginApi
  const char* compiler;  // __VERSION__
  RegisterPlugins register_plugins;
};

// The function that registers the plugins of the library at `path`, or null and *error.
RegisterPlugins load_plugins(const std::string& path, std::string* error);

}  // namespace mainspring::scheduler

#define MAINSPRING_SCHEDULER_PLUGINS(function)                                              \
  extern "C" const mainspring::scheduler::PluginModule* mainspring_scheduler_plugins_v1() { \
    static constexpr mainspring::scheduler::PluginModule kModule = {                        \
        mainspring::scheduler::kPluginApi, __VERSION__, function};                          \
    return &kModule;                                                                        \
  }
