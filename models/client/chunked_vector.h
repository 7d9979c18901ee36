// A vector that grows by chunks: its elements never move, and little is held in reserve. For tables
// of large elements, or of very many.
#pragma once

#include <cstddef>
#include <vector>

namespace mainspring::client {

template <class T>
class ChunkedVector {
 public:
  size_t size() const { return size_; }
  T& operator[](size_t i) { return chunks_[i / kChunk][i % kChunk]; }
  const T& operator[](size_t i) const { return chunks_[i / kChunk][i % kChunk]; }
  T& emplace_back() {
    if (size_ == chunks_.size() * kChunk) chunks_.emplace_back(kChunk);
    return (*this)[size_++];
  }

 private:
  static constexpr size_t kChunk = 32;
  std::vector<std::vector<T>> chunks_;  // each of kChunk elements
  size_t size_ = 0;
};

}  // namespace mainspring::client
