// The splitter gives the same events however a stream is cut, and never more than there is.
//
//   setting := seed of the cuts, limit of an event (0: none of its own), longest
//              piece, 1 byte unused
#include <string>
#include <string_view>
#include <vector>

#include "fuzz_target.hpp"
#include "wire/sse_splitter.hpp"

namespace turnpike::fuzz {
namespace {

/// Byte by byte is slow, and what it shows it shows in a short text.
constexpr std::size_t bytewise_max = 1024;

struct Seen {
  std::string name;
  std::string data;
  std::string raw;
  bool has_data;
  bool terminated;
  bool operator==(const Seen&) const = default;
};

struct Split {
  std::vector<Seen> events;
  bool failed = false;
  bool operator==(const Split&) const = default;
};

Split split(const std::vector<std::string_view>& pieces, std::size_t limit) {
  wire::SseSplitter splitter{limit};
  Split result;
  const auto keep = [&](const wire::SseEvent& event) {
    result.events.push_back({std::string{event.name}, std::string{event.data},
                             std::string{event.raw}, event.has_data, event.terminated});
    return true;
  };
  for (const std::string_view piece : pieces) {
    const bool fed = splitter.feed(piece, keep);
    require(fed != splitter.failed(), "feed() says no exactly when the limit is exceeded");
  }
  splitter.finish(keep);
  result.failed = splitter.failed();
  require(result.failed || splitter.held_bytes() == 0, "finish() holds nothing back");
  return result;
}

/// What comes out is in what went in, in its order; only the last event may lack its blank line.
void check_events(const Split& result, std::string_view stream, std::size_t limit) {
  std::size_t at = 0;
  for (const Seen& event : result.events) {
    require(event.terminated || &event == &result.events.back(), "an unfinished event is the last");
    require(event.raw.size() <= limit, "no event exceeds the limit");
    require(event.has_data || event.data.empty(), "an event without data has none");
    at = stream.find(event.raw, at);
    require(at != std::string_view::npos, "raw is a piece of the stream, behind the one before");
    at += event.raw.size();
  }
}

}  // namespace
}  // namespace turnpike::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike::fuzz;
  const Input input = read_input(data, size);
  const std::size_t limit =
      input.setting[1] == 0 ? std::size_t{8} << 20U : std::size_t{input.setting[1]} * 4;
  const Split whole = split({input.text}, limit);
  check_events(whole, input.text, limit);
  const std::string_view head = input.text.substr(0, bytewise_max);
  require(split(cut(head, 1, 1), limit) == split({head}, limit), "bytes give the same events");
  require(split(cut(input.text, input.setting[0], 1 + input.setting[2]), limit) == whole,
          "so does every cut");
  return 0;
}
