// Precompiled for the engine and the API types: what most of their files include. A file names what
// it uses all the same; the presets `clang` and `lint` build without precompiled headers and hold
// it to that.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
