// What an answer proposes to do next: its tool calls, in a form in which two answers can be compared. Nothing is executed.
//
//   StreamEvents --ActionRecorder--> ProposedAction --fingerprint--> equal or not
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/stream_event.hpp"

namespace turnpike::dialect {

struct ProposedCall {
  std::string name;         // the client's name of the tool
  std::string arguments;    // JSON text as the model wrote it
  bool free_text = false;   // a tool whose input is not JSON
};

struct ProposedAction {
  std::vector<ProposedCall> calls;  // in their order
  std::string text;                 // the beginning of the visible text, where it was asked for
  bool whole = true;                // false: more came than is kept, so it cannot be compared
};

/// Collects the first choice of one answer. One per attempt, one thread; null where nobody compares, so that an answer
/// that is not measured pays one comparison of a pointer per event.
class ActionRecorder {
 public:
  /// `text_bytes_max`: how much of the visible text is kept; 0: none.
  explicit ActionRecorder(std::size_t text_bytes_max = 0) : text_bytes_max_(text_bytes_max) {}
  void record(const StreamEvent& event);
  void record(const Delta& delta);
  [[nodiscard]] const ProposedAction& action() const { return action_; }
  /// For another attempt at the same request.
  void clear();

  static constexpr std::size_t argument_bytes_max = std::size_t{256} << 10U;  // of all calls together

 private:
  void begin(const BlockStart& start);
  ProposedCall* call_of(std::int32_t block);
  void keep_text(std::string_view bytes);

  std::size_t text_bytes_max_;
  std::size_t argument_bytes_ = 0;
  bool text_full_ = false;
  std::vector<std::int32_t> blocks_;  // block number of each call
  ProposedAction action_;
};

/// Hashes of what is compared, keyed; 0 stands for no call at all. Calls may stand in any order.
struct ActionPrint {
  std::uint64_t tools = 0;   // the names
  std::uint64_t action = 0;  // names and normalised arguments
  bool operator==(const ActionPrint&) const = default;
};
ActionPrint fingerprint(const ProposedAction& action, std::uint64_t key);

/// Arguments in the one form that equal meanings share: members sorted, null members left out, runs of blanks in strings
/// one blank, paths without "./", "//" and a closing slash, 1.0 written 1. Text that is no JSON object: its blanks.
std::string normalised_arguments(std::string_view arguments, bool free_text);

}  // namespace turnpike::dialect
