// A file with the bytes of one input, for parsers that take a path.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace mainspring::fuzz {

// The path of a file of this process that holds `bytes`, alone in its folder.
inline std::string file_with(std::string_view bytes, const std::string& name) {
  static const std::filesystem::path folder = [] {
    const auto path =
        std::filesystem::temp_directory_path() / ("mainspring_fuzz." + std::to_string(::getpid()));
    std::filesystem::create_directories(path);
    std::atexit([] {
      std::filesystem::remove_all(std::filesystem::temp_directory_path() /
                                  ("mainspring_fuzz." + std::to_string(::getpid())));
    });
    return path;
  }();
  const std::filesystem::path path = folder / name;
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path.string();
}

}  // namespace mainspring::fuzz
