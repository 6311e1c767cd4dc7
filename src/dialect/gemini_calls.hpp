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
  struct Open {
    std::string own_id;
    std::string id;
    std::string name;
  };
  std::optional<std::string> take(const GeminiCallName& response,
                                  bool (*fits)(const Open&, const GeminiCallName&));

  std::vector<Open> open_;  // calls without an answer yet, in order
  bool answered_ = false;   // since the last call
  std::size_t content_ = 0;
  std::size_t calls_in_content_ = 0;
};

}  // namespace turnpike::dialect
