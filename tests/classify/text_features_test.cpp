#include "classify/text_features.hpp"

#include <catch2/catch.hpp>

#include <vector>

#include "classify/lexicon.hpp"

namespace turnpike::classify {
namespace {

struct Scanned {
  TextScan scan;
  std::vector<std::uint32_t> buckets;
  [[nodiscard]] std::int32_t of(TextFeature feature) const {
    return scan.features[static_cast<std::size_t>(feature)];
  }
};

Scanned scan(std::string_view text) {
  std::vector<std::uint32_t> buckets(ngrams_max);
  Scanned out{scan_text(text, buckets), {}};
  buckets.resize(out.scan.ngrams);
  out.buckets = std::move(buckets);
  return out;
}

}  // namespace

TEST_CASE("n words give n unigrams and n - 1 pairs", "[classify][text]") {
  CHECK(scan("").buckets.empty());
  CHECK(scan("oak").buckets.size() == 1);
  CHECK(scan("oak elm ash").buckets.size() == 5);
  CHECK(scan("oak elm").buckets != scan("elm oak").buckets);
}

TEST_CASE("numbers are folded to length classes", "[classify][text]") {
  CHECK(scan("take 17 of 235").buckets == scan("take 42 of 999").buckets);
  CHECK(scan("take 17").buckets != scan("take 170").buckets);
  CHECK(scan("take 1.5").buckets != scan("take 15").buckets);
  CHECK(scan("take 1,500 now").of(TextFeature::numbers) == log2_plus_one(1));
  CHECK(scan("x 1.5 2.5 3").of(TextFeature::decimals) == log2_plus_one(2));
}

TEST_CASE("log2 is exact at powers of two and rises in between", "[classify][text]") {
  CHECK(log2_plus_one(0) == 0);
  CHECK(log2_plus_one(1) == feature_one);
  CHECK(log2_plus_one(2) == feature_one + feature_one / 2);
  CHECK(log2_plus_one(1023) == 10 * feature_one);
  CHECK(log2_plus_one(~0ULL) == log2_plus_one(1ULL << 40U));
}

TEST_CASE("counts see what they are named after", "[classify][text]") {
  const auto text =
      scan("Why does \\frac{a}{b} = 3 fail? Prove it, if lock_a is not held in src/a.cpp.");
  CHECK(text.of(TextFeature::latex_commands) == log2_plus_one(1));
  CHECK(text.of(TextFeature::questions) == log2_plus_one(1));
  CHECK(text.of(TextFeature::sentences) == log2_plus_one(2));
  CHECK(text.of(TextFeature::heavy_verbs) == log2_plus_one(1));
  CHECK(text.of(TextFeature::reasons) == log2_plus_one(1));
  CHECK(text.of(TextFeature::negations) == log2_plus_one(1));
  CHECK(text.of(TextFeature::conditions) == log2_plus_one(1));
  CHECK(text.of(TextFeature::identifiers) == log2_plus_one(1));
  CHECK(text.of(TextFeature::paths) == log2_plus_one(2));
  CHECK(scan("漢字 und größer").of(TextFeature::other_script) > 0);
  CHECK(scan("Look in \"a\"").of(TextFeature::quotes) == log2_plus_one(2));
}

TEST_CASE("courtesies and list markers are passed over", "[classify][text]") {
  CHECK(scan("Hello, please prove it. Thanks!").buckets == scan("prove it").buckets);
  CHECK(scan("Hello, please prove it. Thanks!").scan.features == scan("prove it.").scan.features);
  CHECK(scan("1. oak\n2. elm").buckets == scan("oak\nelm").buckets);
  CHECK(scan("(a) oak").buckets != scan("oak").buckets);  // only at the start of a line
}

TEST_CASE("list items are counted apart from what leads to them", "[classify][text]") {
  const auto list = scan("Which of these burns best?\nA. dry oak wood\nB. 17 logs\n\nC) elm\nAnswer:");
  CHECK(list.of(TextFeature::items) == log2_plus_one(3));
  CHECK(list.of(TextFeature::many_items) == 0);
  CHECK(list.of(TextFeature::item_length) == log2_plus_one(2));
  CHECK(list.of(TextFeature::item_numbers) == feature_one / 3);
  CHECK(list.of(TextFeature::item_share) == 6 * feature_one / 11);
  CHECK(list.of(TextFeature::lead_length) == log2_plus_one(5));
  CHECK(list.of(TextFeature::lead_question) == feature_one);
  const auto plain = scan("Why does it fail? Fix it. 1. not an item");
  CHECK(plain.of(TextFeature::items) == 0);
  CHECK(plain.of(TextFeature::lead_question) == 0);
  CHECK(plain.of(TextFeature::lead_length) == log2_plus_one(plain.scan.words));
  CHECK(scan("1. a\n2. b\n3. c\n4. d\n5. e\n6. f").of(TextFeature::many_items) == feature_one);
  CHECK(scan("- \n* \n-x").of(TextFeature::items) == 0);
  CHECK(scan("- oak\n* elm").scan.features == scan("a) oak\nb) elm").scan.features);
}

TEST_CASE("a signature forgives swapped inner letters only", "[classify][text]") {
  CHECK(word_signature("importer") == word_signature("imoprter"));
  CHECK(word_signature("importer") != word_signature("miporter"));
  CHECK(word_signature("importer") != word_signature("importers"));
  CHECK(word_class(word_signature("prove")) == WordClass::heavy_verb);
  CHECK(word_class(word_signature("zzzz")) == WordClass::none);
}

TEST_CASE("a text beyond the limit is cut, not overrun", "[classify][text]") {
  std::string text;
  while (text.size() < 100000) text += "a ";
  CHECK(scan(text).buckets.size() <= ngrams_max);
  CHECK(scan("\xC3").scan.words == 1);
  CHECK(scan("\xE6\xBC").scan.words == 1);
  CHECK(scan("\\").scan.words == 0);
}

}  // namespace turnpike::classify
