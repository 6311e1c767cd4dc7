#include "classify/learner.hpp"

#include <utility>
#include <vector>

#include "classify/state_bytes.hpp"

namespace turnpike::classify {

Difficulty Learner::classify(const RequestFacts& facts, Footprint* kept) const {
  Difficulty difficulty = classifier_.classify(facts, &layer_, kept);
  difficulty.weak_fails = calibration_.weak_fails(difficulty.score);
  return difficulty;
}

void Learner::learn(const Footprint& footprint, const Lesson& lesson, Kind kind) {
  constexpr std::uint64_t lessons_between_fits = 25;  // a fit over 2,000 outcomes takes as long as some 50 lessons
  if (frozen()) return;
  const FootprintView view = footprint.view();
  const std::lock_guard lock{mutex_};
  if (kind == Kind::known) {
    const float score = classifier_.score_at(layer_.logit(view));
    progress_.add({.score = score,
                   .prior = view.prior_score,
                   .words = static_cast<float>(view.words),
                   .said = calibration_.weak_fails(score),
                   .weak_failed = lesson.weak_failed,
                   .strong_right = lesson.strong_right.value_or(-1)});
  }
  layer_.learn(view, lesson);
  if (kind == Kind::known && progress_.outcomes() % lessons_between_fits == 0) calibration_.fit(progress_.kept());
}

LearnerReport Learner::report() const {
  LearnerReport report;
  std::vector<Judged> kept;
  std::uint64_t outcomes = 0;
  {
    const std::lock_guard lock{mutex_};
    kept.assign(progress_.kept().begin(), progress_.kept().end());
    outcomes = progress_.outcomes();
  }
  report.progress = report_of(kept, outcomes);
  report.lessons = layer_.lessons();
  report.scale = static_cast<double>(layer_.scale()) / logit_one;
  report.frozen = frozen();
  return report;
}

void Learner::write(std::string& out) const {
  const std::lock_guard lock{mutex_};
  put(out, static_cast<std::uint8_t>(frozen() ? 1 : 0));
  layer_.write(out);
  progress_.write(out);
}

bool Learner::read(std::span<const std::byte>& in) {
  std::uint8_t frozen = 0;
  if (!take(in, frozen) || frozen > 1 || !layer_.read(in) || !progress_.read(in)) return false;
  freeze(frozen == 1);
  calibration_.fit(progress_.kept());
  return true;
}

std::uint64_t feature_layout(const Classifier& classifier) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  const auto mix = [&hash](std::uint64_t value) { hash = (hash ^ value) * 0x100000001B3ULL; };
  const auto mix_name = [&mix](std::string_view name) {
    for (const char c : name) mix(static_cast<unsigned char>(c));
  };
  for (std::size_t i = 0; i < text_feature_count; ++i) mix_name(to_string(static_cast<TextFeature>(i)));
  for (std::size_t i = 0; i < trace_feature_count; ++i) mix_name(to_string(static_cast<TraceFeature>(i)));
  RequestFacts probe;
  probe.question = "Prove that f(x) = 2.5 x^2 has 1 minimum; why? Rename a_b in src/c.py, schön 漢字.";
  const Footprint footprint = classifier.footprint(probe);
  for (const std::uint16_t bucket : footprint.view().ngrams) mix(bucket);
  return hash;
}

}  // namespace turnpike::classify
