// Case H13. A chunked body has one reading: the guard's. However its bytes are cut, the verdict,
// the body and the bytes used are the same, and what is accepted an independent decoder takes apart
// likewise.
//
//   setting := seed of the cuts, longest piece, largest body / 64 (0: the server's), 1 byte unused
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz_target.hpp"
#include "server/chunk_guard.hpp"

namespace turnpike::fuzz {
namespace {

using server::ChunkGuard;

constexpr int accepted = 0;
constexpr int unfinished = -1;

struct Verdict {
  int status = unfinished;
  std::string body;
  std::size_t used = 0;
  bool operator==(const Verdict&) const = default;
};

Verdict judge(const std::vector<std::string_view>& pieces, const server::ServerLimits& limits) {
  ChunkGuard guard{limits};
  Verdict verdict;
  for (const auto piece : pieces) {
    if (guard.complete()) break;
    const std::vector<char> bytes(piece.begin(), piece.end());  // reads behind the end are seen
    const auto used = guard.feed({bytes.data(), bytes.size()}, verdict.body);
    if (!used) return {used.error().http_status, {}, 0};
    require(*used == piece.size() || guard.complete(), "a piece is left over only at the end");
    verdict.used += *used;
  }
  if (guard.complete()) verdict.status = accepted;
  return verdict;
}

/// RFC 9112, 7.1, as lenient as servers come: hex digits, anything up to the end of the line, data,
/// end of line; a trailer up to an empty line. Line ends may lack their CR.
class LenientDecoder {
 public:
  explicit LenientDecoder(std::string_view wire) : wire_(wire) {}

  /// The body; nothing if the wire ends before it does.
  std::optional<std::string> decode() {
    std::string body;
    for (;;) {
      const auto line = next_line();
      if (!line) return std::nullopt;
      const auto size = std::stoull("0" + std::string{line->substr(0, 16)}, nullptr, 16);
      if (size == 0) break;
      if (size > wire_.size()) return std::nullopt;
      body += wire_.substr(0, size);
      skip(size);
      if (const auto end = next_line(); !end || !end->empty()) return std::nullopt;
    }
    for (;;) {
      const auto line = next_line();
      if (!line) return std::nullopt;
      if (line->empty()) return body;
    }
  }
  [[nodiscard]] std::size_t used() const { return used_; }

 private:
  void skip(std::size_t bytes) {
    wire_.remove_prefix(bytes);
    used_ += bytes;
  }
  std::optional<std::string_view> next_line() {
    const auto end = wire_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = wire_.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    skip(end + 1);
    return line;
  }

  std::string_view wire_;
  std::size_t used_ = 0;
};

void check_accepted(const Verdict& verdict, std::string_view text,
                    const server::ServerLimits& limits) {
  require(verdict.body.size() <= limits.body_bytes_max, "no body exceeds the limit");
  LenientDecoder decoder{text};
  const auto body = decoder.decode();
  require(body && *body == verdict.body, "a lenient decoder finds the same body");
  require(decoder.used() == verdict.used, "and the same end");
}

}  // namespace
}  // namespace turnpike::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike::fuzz;
  const Input input = read_input(data, size);
  turnpike::server::ServerLimits limits;
  if (input.setting[2] != 0) {
    limits.body_bytes_max = std::size_t{input.setting[2]} * 64;
    limits.chunk_extension_bytes_max = input.setting[2];
    limits.chunk_extensions_bytes_max = std::size_t{input.setting[2]} * 2;
    limits.trailer_bytes_max = input.setting[2];
  }
  const Verdict whole = judge({input.text}, limits);
  require(whole.status == unfinished || whole.status == accepted || whole.status == 400 ||
              whole.status == 413 || whole.status == 431,
          "a body is refused with a status of its rules");
  require(judge(cut(input.text, input.setting[0], 1 + input.setting[1] % 64), limits) == whole,
          "every cut gives the same verdict");
  if (whole.status == accepted) check_accepted(whole, input.text, limits);
  return 0;
}
