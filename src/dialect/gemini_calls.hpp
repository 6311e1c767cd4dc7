// Which call a function response answers. Ids are optional in this dialect, some clients drop them
// and some make up their own for the response: then the name and the order tell.
//
// One pairing per conversation, fed content by content. Ids that are made up depend on the place
// alone, so that they stay what they are while the conversation grows.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dialect/issuer_tag.hpp"

namespace turnpike::dialect {

/// The gateway's own token in a thoughtSignature. Clients that hold the field as bytes may write it
/// back in base64url and without padding.
std::optional<IssuerTag> gemini_issuer_tag(std::string_view signature);

/// What a functionCall or functionResponse says about itself.
struct GeminiCallName {
  std::string id;  // empty: none
  std::string name;
};

class GeminiCalls {
 public:
  /// Before the calls of a content of the model: `content` is its position. Calls of contents in a
  /// row are answered together.
  void begin_model(std::size_t content);
  /// The id of the next call in it: the tag's, its own, or a made one.
  std::string add_call(const GeminiCallName& call, const std::optional<IssuerTag>& tag);
  /// The ids of the calls that the responses of one content answer. A response to no known call
  /// keeps its own.
  std::vector<std::string> answer(const std::vector<GeminiCallName>& responses);

 private:
  struct Call {
    std::string id;
    bool answered = false;
  };
  /// Calls in order, by their index; all before `next` are answered.
  struct Queue {
    std::vector<std::size_t> calls;
    std::size_t next = 0;
  };
  using Queues = std::unordered_map<std::string, Queue>;
  /// The calls that the next responses may answer. A client sends 10^5 of them in one body, with
  /// the responses in any order: nothing here looks through them all for one.
  struct Step {
    std::vector<Call> calls;
    Queue all;
    Queues by_id;  // a call stands under its own id and under the one it was given
    Queues by_name;
  };
  std::optional<std::string> take(Queue& queue);
  std::optional<std::string> take(Queues& queues, const std::string& key);

  Step step_;
  bool answered_ = false;  // since the last call
  std::size_t content_ = 0;
  std::size_t calls_in_content_ = 0;
};

}  // namespace turnpike::dialect
