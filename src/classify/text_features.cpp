// text := (blank | word | number | symbol)*
// word := letter (letter | digit | '_' | apostrophe)*, one of them per CJK character; number :=
// digit+ ([.,] digit+)*
#include "classify/text_features.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include "classify/lexicon.hpp"

namespace turnpike::classify {
namespace {

constexpr std::uint64_t number_mark =
    0xA24BAED4963EE407ULL;  // n-grams of numbers share one per length class
constexpr std::uint64_t command_mark = 0x9FB21C651E98DF25ULL;  // \frac is not the word "frac"

struct Word {
  std::uint64_t signature = 0;
  std::uint32_t letters = 0;
  bool identifier = false;  // has digits or underscores inside
};

bool is_letter(unsigned char c) { return static_cast<unsigned char>((c | 0x20U) - 'a') < 26; }
unsigned char lower(unsigned char letter) { return static_cast<unsigned char>(letter | 0x20U); }
bool is_digit(unsigned char c) { return static_cast<unsigned char>(c - '0') < 10; }
bool is_blank(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// Lower case of the two-byte letters that have one: Latin-1, Latin Extended-A, Greek, Cyrillic.
std::uint32_t fold_two_bytes(std::uint32_t c) {
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 0x20;
  if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) return c | 1U;
  if (c >= 0x391 && c <= 0x3A9) return c + 0x20;
  if (c >= 0x410 && c <= 0x42F) return c + 0x20;
  if (c >= 0x400 && c <= 0x40F) return c + 0x50;
  return c;
}

class Scanner {
 public:
  Scanner(std::string_view text, std::span<std::uint32_t> buckets)
      : text_(text), buckets_(buckets) {}

  TextScan run() {
    while (at_ < text_.size()) step();
    if (words_in_sentence_ > 0) ++sentences_;
    return finish();
  }

 private:
  enum class Char : std::uint8_t { blank, letter, digit, high_letter, ideograph, symbol };

  [[nodiscard]] unsigned char byte(std::size_t at) const {
    return at < text_.size() ? static_cast<unsigned char>(text_[at]) : 0;
  }

  [[nodiscard]] Char kind(std::size_t at) const {
    const auto c = byte(at);
    if (is_letter(c)) return Char::letter;
    if (is_digit(c)) return Char::digit;
    if (is_blank(c)) return Char::blank;
    if (c < 0x80) return Char::symbol;
    if (c == 0xC3 && (byte(at + 1) == 0x97 || byte(at + 1) == 0xB7))
      return Char::symbol;  // the signs for times, by
    if ((c >= 0xC3 && c <= 0xDF) || c == 0xE0 || c == 0xE1) return Char::high_letter;
    if (c >= 0xE3 && c <= 0xED) return Char::ideograph;
    return Char::symbol;
  }

  void step() {
    switch (kind(at_)) {
      case Char::blank:
        if (text_[at_] == '\n') start_line();
        ++at_;
        return;
      case Char::letter:
      case Char::high_letter:
        if (line_start_ && skip_marker()) return;
        take_word(0);
        break;
      case Char::digit:
        if (line_start_ && skip_marker()) return;
        take_number();
        break;
      case Char::ideograph:
        take_ideograph();
        break;
      case Char::symbol:
        if (line_start_ && skip_bullet()) return;
        take_symbol();
        break;
    }
    line_start_ = false;
  }

  void start_line() {
    line_start_ = true;
    in_item_ = false;
    item_begins_ = false;
  }

  /// "A. ", "b) ", "12: " at the start of a line: an item. How it is marked is not what is asked.
  bool skip_marker() {
    std::size_t end = at_ + 1;
    if (is_digit(byte(at_)) && is_digit(byte(end))) ++end;
    const auto mark = byte(end);
    if (mark != '.' && mark != ')' && mark != ':') return false;
    return begin_item(end + 1);
  }

  bool skip_bullet() {
    const auto c = byte(at_);
    return (c == '-' || c == '*') && begin_item(at_ + 1);
  }

  bool begin_item(std::size_t after_marker) {
    if (after_marker < text_.size() && !is_blank(byte(after_marker))) return false;
    at_ = after_marker;
    line_start_ = false;
    in_item_ = true;
    item_begins_ = true;
    return true;
  }

  /// An item counts from its first word on, so that an empty one is none.
  void count_item_word(bool is_number) {
    if (item_begins_) {
      ++items_;
      if (is_number) ++items_with_number_;
      item_begins_ = false;
    }
    if (in_item_) {
      ++item_words_;
    } else if (items_ == 0) {
      ++lead_words_;
      lead_question_ = false;
    }
  }

  void take_word(std::uint64_t mark) {
    const std::size_t begin = at_;
    const Word word = read_word();
    const auto signature = word.signature ^ mark;
    const WordClass listed = mark == 0 ? word_class(signature) : WordClass::none;
    if (listed == WordClass::courtesy) return;
    if (listed == WordClass::label && line_start_ && byte(at_) == ':') return;
    count_listed(listed);
    letters_ += word.letters;
    if (word.letters >= 10) ++long_words_;
    if (word.identifier) ++identifiers_;
    if (begin > 0 && joins_path(byte(begin - 1)) && begin > 1 && is_letter(byte(begin - 2)))
      ++paths_;
    count_item_word(false);
    add_token(signature);
  }

  static bool joins_path(unsigned char c) { return c == '/' || c == '.'; }

  Word read_word() {
    Word word;
    std::uint64_t sum = 0;
    unsigned char first = 0;
    unsigned char last = 0;
    while (at_ < text_.size()) {
      const auto c = byte(at_);
      if (is_letter(c)) {
        const std::size_t begin = at_;
        last = add_letters(sum);
        word.letters += static_cast<std::uint32_t>(at_ - begin);
        if (first == 0) first = lower(byte(begin));
      } else if (is_digit(c) || c == '_') {
        last = c == '_' ? c : '0';
        if (byte(at_ - 1) == '_' || !is_digit(byte(at_ - 1))) sum += letter_codes[last];
        word.identifier = true;
        ++at_;
      } else if (c == '\'' && is_letter(byte(at_ + 1))) {
        ++at_;
      } else if (kind(at_) == Char::high_letter) {
        add_high_letter(sum, last);
        ++word.letters;
      } else {
        break;
      }
      if (first == 0) first = last;
    }
    other_letters_ += other_letters_in_word_;
    other_letters_in_word_ = 0;
    word.signature = word_signature(sum, first, last);
    return word;
  }

  /// A run of plain letters, most of any text: with nothing but locals the loop stays in registers.
  unsigned char add_letters(std::uint64_t& sum) {
    const char* const text = text_.data();
    const std::size_t size = text_.size();
    std::size_t at = at_;
    std::uint64_t codes = 0;
    unsigned char last = 0;
    for (; at < size && is_letter(static_cast<unsigned char>(text[at])); ++at) {
      last = lower(static_cast<unsigned char>(text[at]));
      codes += letter_codes[last];
    }
    at_ = at;
    sum += codes;
    return last;
  }

  void add_high_letter(std::uint64_t& sum, unsigned char& last) {
    const auto lead = byte(at_);
    ++other_letters_in_word_;
    if (lead < 0xE0) {
      const auto folded = fold_two_bytes((lead & 0x1FU) << 6U | (byte(at_ + 1) & 0x3FU));
      sum += mix64(folded);
      last = static_cast<unsigned char>(folded | 0x80U);
      at_ += 2;
      return;
    }
    for (std::size_t i = 0; i < 3; ++i) sum += letter_codes[byte(at_ + i)] << i;
    last = byte(at_ + 2);
    at_ += 3;
  }

  void take_number() {
    std::uint32_t digits = 0;
    bool fraction = false;
    while (is_digit(byte(at_)) ||
           ((byte(at_) == '.' || byte(at_) == ',') && is_digit(byte(at_ + 1)))) {
      if (byte(at_) == '.') fraction = true;
      if (is_digit(byte(at_))) ++digits;
      ++at_;
    }
    ++numbers_;
    digits_ += digits;
    if (fraction) ++decimals_;
    const std::uint64_t length_class = digits <= 4 ? digits : digits <= 6 ? 5 : 6;
    count_item_word(true);
    add_token(mix64(number_mark + length_class * 2 + (fraction ? 1 : 0)));
  }

  void take_ideograph() {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < 3; ++i) sum = sum * 257 + byte(at_ + i);
    at_ += 3;
    letters_ += 2;
    other_letters_ += 2;
    count_item_word(false);
    add_token(mix64(sum));
  }

  void take_symbol() {
    const auto c = byte(at_);
    const auto next = byte(at_ + 1);
    switch (c) {
      case '\\':
        take_backslash();
        return;
      case '$':
      case '^':
      case '=':
      case '+':
      case '<':
      case '>':
      case '|':
      case '%':
      case '*':
      case '~':
        ++math_symbols_;
        break;
      case '{':
      case '}':
      case ';':
      case '[':
      case ']':
      case '_':
      case '#':
        ++code_marks_;
        break;
      case '(':
        if (next == ')') ++code_marks_;
        break;
      case ',':
        if (words_in_sentence_ > 0) ++commas_;  // not the one in "Hello, ..."
        break;
      case '"':
        ++quotes_;
        break;
      case '.':
      case '?':
      case '!':
        if (at_ + 1 >= text_.size() || !is_letter(next)) end_sentence(c);
        break;
      case 0xC3:
      case 0xE2:
        if (c == 0xC3 || (next >= 0x86 && next <= 0x8B))
          ++math_symbols_;  // arrows and mathematical operators
        break;
      default:
        break;
    }
    at_ += c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
  }

  void take_backslash() {
    ++at_;
    if (!is_letter(byte(at_))) return;
    ++latex_;
    take_word(command_mark);
  }

  /// A sentence made of courtesies only is not one.
  void end_sentence(unsigned char mark) {
    if (words_in_sentence_ == 0) return;
    ++sentences_;
    if (mark == '?') ++questions_;
    if (items_ == 0 && !in_item_) lead_question_ = mark == '?';
    words_in_sentence_ = 0;
  }

  void count_listed(WordClass listed) { ++listed_[static_cast<std::size_t>(listed)]; }

  void add_token(std::uint64_t signature) {
    const std::uint64_t mixed = mix64(signature);
    auto& cell = seen_[(mixed >> 6U) % seen_.size()];
    const std::uint64_t bit = 1ULL << (mixed & 63U);
    if ((cell & bit) == 0) ++different_;
    cell |= bit;
    ++words_;
    ++words_in_sentence_;
    if (ngrams_ + 2 <= buckets_.size()) {
      buckets_[ngrams_++] = static_cast<std::uint32_t>(mixed >> 32U) % ngram_buckets;
      if (previous_ != 0) {
        const auto pair = mix64(previous_ * 0x9E3779B97F4A7C15ULL + mixed);
        buckets_[ngrams_++] = static_cast<std::uint32_t>(pair >> 32U) % ngram_buckets;
      }
    }
    previous_ = mixed | 1U;
  }

  [[nodiscard]] std::int32_t share(std::uint64_t part, std::uint64_t whole) const {
    return whole == 0 ? 0 : static_cast<std::int32_t>(part * feature_one / whole);
  }

  [[nodiscard]] std::uint32_t listed(WordClass kind) const {
    return listed_[static_cast<std::size_t>(kind)];
  }

  TextScan finish() const {
    TextScan scan;
    scan.words = words_;
    scan.ngrams = static_cast<std::uint32_t>(ngrams_);
    fill_shape(scan);
    fill_content(scan);
    fill_list(scan);
    return scan;
  }

  static std::int32_t& at(TextScan& scan, TextFeature feature) {
    return scan.features[static_cast<std::size_t>(feature)];
  }

  void fill_shape(TextScan& scan) const {
    const auto length = log2_plus_one(words_);
    at(scan, TextFeature::length) = length;
    at(scan, TextFeature::length_squared) = length * length / (8 * feature_one);
    at(scan, TextFeature::short_question) =
        words_ >= 24
            ? 0
            : std::min(feature_one, static_cast<std::int32_t>((24 - words_) * feature_one / 12));
    at(scan, TextFeature::word_length) = share(letters_, std::max(words_ - numbers_, 1U));
    at(scan, TextFeature::long_words) = share(long_words_, words_);
    at(scan, TextFeature::identifiers) = log2_plus_one(identifiers_);
    at(scan, TextFeature::variety) = share(different_, words_);
    at(scan, TextFeature::sentences) = log2_plus_one(sentences_);
    at(scan, TextFeature::sentence_length) = log2_plus_one(words_ / std::max(sentences_, 1U));
    at(scan, TextFeature::commas) =
        std::min(share(commas_, std::max(sentences_, 1U)), 8 * feature_one);
    at(scan, TextFeature::questions) = log2_plus_one(questions_);
    at(scan, TextFeature::quotes) = log2_plus_one(quotes_);
    at(scan, TextFeature::other_script) = share(std::min(other_letters_, letters_), letters_);
  }

  void fill_content(TextScan& scan) const {
    at(scan, TextFeature::numbers) = log2_plus_one(numbers_);
    at(scan, TextFeature::number_share) = share(numbers_, words_);
    at(scan, TextFeature::number_digits) = std::min(share(digits_, numbers_), 16 * feature_one);
    at(scan, TextFeature::decimals) = log2_plus_one(decimals_);
    at(scan, TextFeature::math_symbols) = log2_plus_one(math_symbols_);
    at(scan, TextFeature::math_share) = std::min(share(math_symbols_, words_), feature_one);
    at(scan, TextFeature::latex_commands) = log2_plus_one(latex_);
    at(scan, TextFeature::code_marks) = log2_plus_one(code_marks_);
    at(scan, TextFeature::code_share) = std::min(share(code_marks_, words_), feature_one);
    at(scan, TextFeature::paths) = log2_plus_one(paths_);
    at(scan, TextFeature::negations) = log2_plus_one(listed(WordClass::negation));
    at(scan, TextFeature::conditions) = log2_plus_one(listed(WordClass::condition));
    at(scan, TextFeature::quantities) = log2_plus_one(listed(WordClass::quantity));
    at(scan, TextFeature::reasons) = log2_plus_one(listed(WordClass::reason));
    at(scan, TextFeature::lookups) = log2_plus_one(listed(WordClass::lookup));
    at(scan, TextFeature::heavy_verbs) = log2_plus_one(listed(WordClass::heavy_verb));
    at(scan, TextFeature::light_verbs) = log2_plus_one(listed(WordClass::light_verb));
    at(scan, TextFeature::hard_matters) = log2_plus_one(listed(WordClass::hard_matter));
  }

  void fill_list(TextScan& scan) const {
    at(scan, TextFeature::items) = log2_plus_one(items_);
    at(scan, TextFeature::many_items) = items_ >= 6 ? feature_one : 0;
    at(scan, TextFeature::item_length) = log2_plus_one(item_words_ / std::max(items_, 1U));
    at(scan, TextFeature::item_numbers) = share(items_with_number_, items_);
    at(scan, TextFeature::item_share) = share(item_words_, words_);
    at(scan, TextFeature::lead_length) = log2_plus_one(lead_words_);
    at(scan, TextFeature::lead_question) = lead_question_ ? feature_one : 0;
  }

  std::string_view text_;
  std::span<std::uint32_t> buckets_;
  std::size_t at_ = 0;
  std::size_t ngrams_ = 0;
  std::uint64_t previous_ = 0;
  bool line_start_ = true;
  bool in_item_ = false;      // the line is a list item
  bool item_begins_ = false;  // its marker has been read, no word yet
  bool lead_question_ = false;
  std::uint32_t words_ = 0, words_in_sentence_ = 0, different_ = 0, letters_ = 0,
                other_letters_ = 0, other_letters_in_word_ = 0, long_words_ = 0, identifiers_ = 0,
                sentences_ = 0, questions_ = 0, commas_ = 0, quotes_ = 0, numbers_ = 0, digits_ = 0,
                decimals_ = 0, math_symbols_ = 0, latex_ = 0, code_marks_ = 0, paths_ = 0,
                items_ = 0, item_words_ = 0, items_with_number_ = 0, lead_words_ = 0;
  std::array<std::uint32_t, 16> listed_{};
  std::array<std::uint64_t, 32> seen_{};  // the sketch of different words: 2048 bits
};

constexpr std::array<std::string_view, text_feature_count> names{
    "length",       "length_squared", "short_question", "word_length",     "long_words",
    "identifiers",  "variety",        "sentences",      "sentence_length", "commas",
    "questions",    "numbers",        "number_share",   "number_digits",   "decimals",
    "math_symbols", "math_share",     "latex_commands", "code_marks",      "code_share",
    "paths",        "quotes",         "negations",      "conditions",      "quantities",
    "reasons",      "lookups",        "heavy_verbs",    "light_verbs",     "hard_matters",
    "other_script", "items",          "many_items",     "item_length",     "item_numbers",
    "item_share",   "lead_length",    "lead_question"};

}  // namespace

std::string_view to_string(TextFeature feature) { return names[static_cast<std::size_t>(feature)]; }

std::int32_t log2_plus_one(std::uint64_t n) {
  const std::uint64_t x = std::min<std::uint64_t>(n, (1ULL << 40U)) + 1;
  const auto whole = static_cast<std::uint64_t>(std::bit_width(x) - 1);
  const std::uint64_t rest = x - (1ULL << whole);
  return static_cast<std::int32_t>(whole * feature_one + ((rest * feature_one) >> whole));
}

TextScan scan_text(std::string_view text, std::span<std::uint32_t> buckets) {
  assert(buckets.size() >= ngrams_max);
  return Scanner{text.substr(0, text_bytes_max), buckets}.run();
}

}  // namespace turnpike::classify
