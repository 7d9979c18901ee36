// The words that many objects repeat (phases, condition types, reasons, image ids), each held once.
#pragma once

#include <string_view>
#include <vector>

#include "models/api/value.h"
#include "models/client/flat_index.h"

namespace mainspring::node {

class TextPool {
 public:
  api::Str operator()(std::string_view text) {
    if (text.empty()) return {};
    if (const auto known = index_.find(text)) return texts_[*known];
    index_.set(text, static_cast<uint32_t>(texts_.size()));
    return texts_.emplace_back(text);
  }

 private:
  client::FlatIndex index_;
  std::vector<api::Str> texts_;
};

}  // namespace mainspring::node
