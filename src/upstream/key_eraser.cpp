#include "upstream/key_eraser.hpp"

#include <algorithm>
#include <cstring>

namespace turnpike::upstream {

void KeyEraser::erase(std::string& text) const {
  if (key_.empty()) return;
  char* at = text.data();
  char* const end = at + text.size();
  for (;;) {
    at = static_cast<char*>(
        ::memmem(at, static_cast<std::size_t>(end - at), key_.data(), key_.size()));
    if (at == nullptr) return;
    std::fill_n(at, key_.size(), '*');
    at += key_.size();
  }
}

void KeyEraser::pass(std::string& piece, bool last) {
  if (!kept_.empty()) {
    piece.insert(0, kept_);
    kept_.clear();
  }
  erase(piece);
  if (last || key_.empty()) return;
  const auto begun = begun_at_end_of(piece);
  if (begun == 0) return;
  kept_.assign(piece, piece.size() - begun, begun);
  piece.resize(piece.size() - begun);
}

/// How many bytes at the end of `text` are a beginning of the key: the longest such.
std::size_t KeyEraser::begun_at_end_of(std::string_view text) const {
  // Events end in a line end, which no key holds: the common case is one comparison.
  if (text.empty() || !key_.contains(text.back())) return 0;
  for (auto size = std::min(text.size(), key_.size() - 1); size > 0; --size) {
    if (text.ends_with(key_.substr(0, size))) return size;
  }
  return 0;
}

}  // namespace turnpike::upstream
