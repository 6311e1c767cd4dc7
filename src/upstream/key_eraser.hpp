// Takes a provider's own key out of what the provider answers: some quote it in an error
// ("incorrect API key provided: sk-…"), a broken or hostile one might in a header or a stream.
// Nothing behind this room ever sees it, so neither clients nor logs, records or stored state do.
#pragma once

#include <string>
#include <string_view>

namespace turnpike::upstream {

/// One per call: it remembers the end of one piece for the next. Costs one memmem() per piece.
class KeyEraser {
 public:
  /// Shorter keys are no secrets, and would blank ordinary words.
  static constexpr std::size_t key_bytes_min = 8;

  /// `key` stays where it is for as long as the eraser lives.
  explicit KeyEraser(std::string_view key) : key_(key.size() < key_bytes_min ? "" : key) {}

  /// Replaces each occurrence in `text` by asterisks, as many as the key has bytes.
  void erase(std::string& text) const;

  /// The same for the next piece of a body, also where an occurrence began in the piece before.
  /// Bytes that may turn out to be the beginning of the key are kept back and come with the next
  /// piece; `last`: there is none. May leave `piece` empty.
  void pass(std::string& piece, bool last);
  /// Bytes are kept back.
  [[nodiscard]] bool holding() const { return !kept_.empty(); }
  /// Nobody wants the rest any more.
  void forget() { kept_.clear(); }

 private:
  [[nodiscard]] std::size_t begun_at_end_of(std::string_view text) const;

  std::string_view key_;
  std::string kept_;
};

}  // namespace turnpike::upstream
