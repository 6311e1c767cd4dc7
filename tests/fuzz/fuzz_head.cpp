// Case H13. A request head has one reading: the guard's. However its bytes are cut the verdict is
// the same, and of an accepted head an independent reading finds nothing that could frame it
// otherwise.
//
//   setting := seed of the cuts, longest piece, 2 bytes unused
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz_target.hpp"
#include "server/head_parser.hpp"
#include "server/http_guard.hpp"

namespace turnpike::fuzz {
namespace {

using server::BodyFraming;
using server::HttpGuard;

const server::ServerLimits& limits() {
  static const server::ServerLimits all;
  return all;
}

constexpr int accepted = 0;
constexpr int unfinished = -1;

struct Verdict {
  int status = unfinished;
  std::size_t bytes = 0;
  BodyFraming framing = BodyFraming::none;
  std::uint64_t length = 0;
  bool keep_alive = false;
  bool expect_continue = false;
  bool upgrade = false;
  std::string target;
  bool operator==(const Verdict&) const = default;
};

Verdict verdict_of(const HttpGuard& guard) {
  const auto& facts = guard.facts();
  return {accepted,         guard.head_bytes(),    facts.framing, facts.content_length,
          facts.keep_alive, facts.expect_continue, facts.upgrade, std::string{facts.target}};
}

void check_refusal(const Error& error) {
  static constexpr int statuses[] = {400, 405, 413, 414, 417, 431, 501, 505};
  require(std::ranges::find(statuses, error.http_status) != std::end(statuses),
          "a head is refused with a status of its rules");
  require(error.origin == Origin::client && !error.code.empty() && !error.message.empty(),
          "and in words");
}

/// Each piece at the end of an allocation of its own: kept views and reads behind the end are seen.
Verdict judge(const std::vector<std::string_view>& pieces, std::string_view text) {
  HttpGuard guard{limits()};
  std::size_t seen = 0;
  for (const auto piece : pieces) {
    seen += piece.size();
    const std::vector<char> bytes(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(seen));
    const auto complete = guard.scan({bytes.data(), bytes.size()});
    if (!complete) {
      check_refusal(complete.error());
      return {.status = complete.error().http_status};
    }
    if (*complete) return verdict_of(guard);
  }
  return {};
}

std::string lowered(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return out;
}

/// What any lenient server between here and the client could take for framing: names are compared
/// after dropping every byte but letters and '-'.
struct Framing {
  std::vector<std::string> lengths, codings, hosts;
};

Framing framing_of(std::string_view head) {
  Framing found;
  bool request_line = true;
  while (!head.empty()) {
    const auto end = head.find('\n');
    std::string_view line = head.substr(0, end);
    head.remove_prefix(end == std::string_view::npos ? head.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (std::exchange(request_line, false)) continue;
    const auto colon = line.find(':');
    require(colon != std::string_view::npos, "every line of an accepted head has a colon");
    std::string name = lowered(line.substr(0, colon));
    std::erase_if(name, [](char c) { return (c < 'a' || c > 'z') && c != '-'; });
    const bool plain = name.size() == colon;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
      value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    if (!plain) continue;  // "x_host" and the like are other fields to everyone
    if (name == "content-length") found.lengths.emplace_back(value);
    if (name == "transfer-encoding") found.codings.push_back(lowered(value));
    if (name == "host") found.hosts.emplace_back(value);
  }
  return found;
}

void check_accepted(const Verdict& verdict, std::string_view text) {
  const std::string_view head = text.substr(0, verdict.bytes);
  require(head.ends_with("\r\n\r\n"), "a head ends in an empty line");
  const auto clean = [](char c) {
    return c == '\r' || c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f) || c < 0;
  };
  require(std::ranges::all_of(head, clean), "no control byte passes");
  require(std::ranges::count(head, '\r') == std::ranges::count(head, '\n'), "no bare CR or LF");
  const Framing seen = framing_of(head);
  require(seen.hosts.size() <= 1, "at most one Host");
  require(seen.lengths.size() + seen.codings.size() <= 1, "one framing at most");
  require((verdict.framing == BodyFraming::chunked) == !seen.codings.empty(), "chunked is named");
  require(seen.codings.empty() || seen.codings[0] == "chunked", "and nothing else");
  require((verdict.framing == BodyFraming::length) == !seen.lengths.empty(), "as is a length");
  if (!seen.lengths.empty())
    require(std::to_string(verdict.length) == seen.lengths[0], "which is one plain number");
}

/// Beast may only be stricter than the guard.
void check_parsed(std::string_view text) {
  HttpGuard guard{limits()};
  if (!guard.scan(text).value_or(false)) return;
  const auto head = server::parse_head(text.substr(0, guard.head_bytes()), guard.facts(), "peer");
  if (!head) return check_refusal(head.error());
  require(head->method == guard.facts().method, "the method is the guard's");
  require(head->headers.size() == guard.facts().fields, "no field is lost");
  require(head->target.find_first_of(" \r\n#\\") == std::string::npos, "the target is clean");
  for (const auto& [name, value] : head->headers) {
    require(name.find_first_of("\r\n\t :") == std::string::npos, "names are clean");
    require(value.find_first_of(std::string_view{"\r\n\0", 3}) == std::string::npos,
            "so are values");
  }
}

}  // namespace
}  // namespace turnpike::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike::fuzz;
  const Input input = read_input(data, size);
  const Verdict whole = judge({input.text}, input.text);
  const std::size_t longest = 1 + input.setting[1];
  // A few cuts near the front and one more: every byte of a text gets its turn over many inputs.
  const auto at = std::min<std::size_t>(input.setting[0] * longest / 16, input.text.size());
  const auto next = std::min(at + longest, input.text.size());
  const std::vector<std::string_view> pieces{
      input.text.substr(0, at), input.text.substr(at, next - at), input.text.substr(next)};
  require(judge(pieces, input.text) == whole, "every cut gives the same verdict");
  if (whole.status != accepted) return 0;
  check_accepted(whole, input.text);
  check_parsed(input.text);
  return 0;
}
