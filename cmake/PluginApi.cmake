# Writes OUT, which names the interface of plugins by a hash of the headers (below ROOT) that a
# plugin may see. cmake -DROOT=... -DOUT=... -P PluginApi.cmake
set(folders sim models/api models/client models/scheduler)
list(TRANSFORM folders REPLACE "(.+)" "\\1/*.h")
list(TRANSFORM folders PREPEND ${ROOT}/)
file(GLOB headers RELATIVE ${ROOT} ${folders})
file(GLOB schemas RELATIVE ${ROOT} ${ROOT}/models/api/schema/*.schema)
list(SORT headers)
set(sums "")
foreach(file IN LISTS headers schemas)
  file(SHA256 ${ROOT}/${file} sum)
  string(APPEND sums "${file} ${sum}\n")
endforeach()
string(SHA256 hash "${sums}")
string(SUBSTRING ${hash} 0 16 hash)
file(CONFIGURE OUTPUT ${OUT} CONTENT "// Made by cmake/PluginApi.cmake.
#pragma once

namespace mainspring::scheduler {

// A hash of the headers that a plugin is built against.
inline constexpr const char* kPluginApi = \"@hash@\";

}  // namespace mainspring::scheduler
" @ONLY)
