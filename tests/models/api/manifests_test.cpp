// Public manifests that nobody here wrote: all are read, kept whole, and accepted or refused with
// a reason.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "models/api/compare.h"
#include "models/api/types/all.h"
#include "models/api/validation.h"
#include "tests/models/api/schema_test_util.h"

namespace mainspring::api {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> yaml_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string extension = entry.path().extension();
    if (extension == ".yaml" || extension == ".yml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Reads every object of the folder and checks that nothing is lost on any way through.
size_t check_folder(const fs::path& folder, Diagnostics& diagnostics) {
  size_t count = 0;
  for (const fs::path& file : yaml_files(folder)) {
    const uint16_t id = diagnostics.add_file(fs::relative(file, folder).string());
    for (const Json& document : read_documents(read_file(file), id, &diagnostics)) {
      if (!document.is_object() || !document.contains("apiVersion")) continue;
      std::vector<ObjectRef> objects;
      decode_all(document, diagnostics, &objects);
      for (const ObjectRef& object : objects) {
        ++count;
        Diagnostics ignored;
        const ObjectRef again = decode(encode(*object), ignored);
        EXPECT_TRUE(again && equal(*object, *again)) << file;
        EXPECT_EQ(hash64(*object), hash64(*again)) << file;

        const Ref<Object> full = clone(*object);
        set_defaults(*full);
        std::string bytes;
        encode_delta(object.get(), *full, bytes);
        const Ref<Object> applied = apply_delta(object.get(), bytes);
        EXPECT_TRUE(applied && equal(*full, *applied)) << file;
        EXPECT_EQ(diff(*object, *full).empty(), equal(*object, *full)) << file;
        validate(*full, diagnostics, objects.size() == 1 ? &document : nullptr);
      }
    }
  }
  return count;
}

TEST(Manifests, ThoseOfTheRepositoryAreGood) {
  Diagnostics diagnostics;
  // Online Boutique: 12 deployments, 12 service accounts, 12 services... and the examples.
  EXPECT_GT(check_folder(fs::path(MAINSPRING_SOURCE_DIR) / "tests/data/manifests", diagnostics),
            40u);
  EXPECT_EQ(diagnostics.errors(), 0u) << diagnostics.to_text();
}

TEST(Manifests, OnlineBoutiqueIsUnderstoodWhole) {
  Diagnostics diagnostics;
  const fs::path file = fs::path(MAINSPRING_SOURCE_DIR) /
                        "tests/data/manifests/online-boutique/kubernetes-manifests.yaml";
  size_t deployments = 0;
  for (const Json& document : read_documents(read_file(file), 0, &diagnostics)) {
    const ObjectRef object = decode(document, diagnostics);
    ASSERT_TRUE(object);
    EXPECT_NE(object->kind, Kind::Unstructured) << kind_name_of(*object);
    if (object->kind == Kind::Deployment) ++deployments;
  }
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.to_text();
  EXPECT_EQ(deployments, 12u);
}

TEST(Manifests, ALargerCollectionBesideTheRepository) {
  const fs::path folder = fs::path(MAINSPRING_SOURCE_DIR).parent_path() / "shared/data/manifests";
  if (!fs::exists(folder)) GTEST_SKIP() << "no " << folder << ", the repository's own are enough";
  Diagnostics diagnostics;
  EXPECT_GT(check_folder(folder, diagnostics), 600u);
  // Every refusal has a place.
  for (const Diagnostic& d : diagnostics.sorted()) {
    EXPECT_TRUE(d.at.known()) << diagnostics.render(d);
  }
}

}  // namespace
}  // namespace mainspring::api
