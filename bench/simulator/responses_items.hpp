// The items of a Responses input: what each may hold, which belong together.
#pragma once

#include <initializer_list>

#include "response_store.hpp"
#include "wire.hpp"

namespace turnpike::simulator {

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words);

/// Reads ask.responses.items into the ask, or refuses as the service of ask.endpoint does.
class ResponsesItems {
 public:
  /// `store` and `key`: to find items that are only named.
  ResponsesItems(Ask& ask, const ResponseStore& store, std::string_view key);
  Checked<void> read();

 private:
  [[nodiscard]] std::unexpected<Refusal> bad(const std::string& message, std::string_view param,
                                             std::string_view code = "") const;
  Checked<void> resolve_references();
  Checked<void> read_item(const Json& item, const std::string& type, const std::string& where);
  Checked<void> read_message(const Json& item, const std::string& where);
  Checked<std::string> text_of(const Json& content, const std::string& role,
                               const std::string& where);
  Checked<void> read_part(const Json& part, const std::string& role, const std::string& where,
                          std::string& text);
  Checked<void> read_reasoning(const Json& item, const std::string& where);
  Checked<void> read_call(const Json& item, bool custom, const std::string& where);
  Checked<void> read_output(const Json& item, bool custom, const std::string& where);
  Checked<void> check_id(const Json& item, std::string_view prefix, const std::string& where) const;
  Checked<void> check_call_id(const std::string& id, const std::string& where) const;
  [[nodiscard]] std::unexpected<Refusal> unanswered() const;
  Checked<void> check_following() const;

  Ask& ask_;
  const ResponseStore& store_;
  std::string key_;
  bool deepseek_;
  std::vector<std::string> open_calls_;
  bool in_calls_ = false;  // the last item was a call
  bool reasoned_ = false;  // reasoning text came since the last output or message of a human
};

}  // namespace turnpike::simulator
