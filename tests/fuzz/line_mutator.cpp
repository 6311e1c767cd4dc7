// Mutations of what is made of lines (heads, chunk streams, TOML): half of the time whole lines are
// moved, doubled, dropped, joined or replaced by pieces of others; the other half is libFuzzer's
// own, with the words of the target's dictionary.
#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz_target.hpp"

namespace turnpike::fuzz {
namespace {

/// With their ends, whichever they are.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto size = end == std::string_view::npos ? text.size() : end + 1;
    lines.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

class Mutation {
 public:
  Mutation(std::string_view text, unsigned seed) : lines_(lines_of(text)), random_(seed) {}

  std::string result() {
    change();
    std::string text;
    for (const auto& line : lines_) text += line;
    return text;
  }

 private:
  std::size_t pick(std::size_t bound) { return random_() % bound; }
  auto place() { return lines_.begin() + static_cast<std::ptrdiff_t>(pick(lines_.size())); }

  void change() {
    if (lines_.empty()) return;
    const auto line = place();
    const std::string other = *place();
    switch (pick(6)) {
      case 0:
        lines_.erase(line);
        return;
      case 1:
        lines_.insert(line, other);
        return;
      case 2:
        std::swap(*line, *place());
        return;
      case 3:
        line->resize(line->find_last_not_of("\r\n") + 1);  // joined to the next
        return;
      case 4:  // the front of one, the rest of another
        *line = line->substr(0, pick(line->size() + 1)) + other.substr(pick(other.size() + 1));
        return;
      default: {  // a value becomes another line's
        const auto mark = line->find_first_of(":=");
        const auto from = other.find_first_of(":=");
        if (mark != std::string::npos && from != std::string::npos)
          *line = line->substr(0, mark) + other.substr(from);
      }
    }
  }

  std::vector<std::string> lines_;
  std::minstd_rand random_;
};

}  // namespace
}  // namespace turnpike::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using namespace turnpike::fuzz;
  std::minstd_rand random{seed};
  random.discard(2);
  if (random() % 2 == 0 || size <= setting_bytes) return LLVMFuzzerMutate(data, size, max_size);
  auto* text = reinterpret_cast<char*>(data) + setting_bytes;
  const std::string changed =
      Mutation{{text, size - setting_bytes}, static_cast<unsigned>(random())}.result();
  const std::size_t kept = std::min(changed.size(), max_size - setting_bytes);
  std::copy_n(changed.data(), kept, text);
  return setting_bytes + kept;
}
