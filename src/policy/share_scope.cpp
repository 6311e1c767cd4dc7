#include "policy/share_scope.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "policy/share_text.hpp"

namespace turnpike::policy {
namespace {

// Source of the figures: classifier specification §1 names eta 0.02 to 0.05. On stationary traffic
// the position wanders by sqrt(eta target (1 - target) / 2), 0.07 at eta 0.05; ±2 points over 500
// steps allow the debt to move by 10 steps. bench/share shows what each of them does.
constexpr double eta = 0.05;
constexpr double debt_gentle = 3;  // beyond, the pull is five times as steep
constexpr double steep_gain = 4 * eta;
// The threshold stands still until its position has this far to go: a score near it would change
// sides with every other step.
constexpr double position_rest = 0.08;
constexpr double base_steps = 500;  // in how many steered steps the base follows the position
constexpr double course_rate = 0.005;
constexpr double steps_per_choice_held =
    3.5;  // up to here the bound of 2 points over 500 steps is fought for
constexpr double weight_fading = 499.0 / 500;
// A share that was missed for long (every step pinned, a budget that closed the frontier) is not
// made up for endlessly: what lies beyond is forgiven.
constexpr double debt_min = -12;
constexpr double debt_max = 20;
constexpr double overdrawn_at = 16;  // escalations wait from here
constexpr double overdrawn_until = 12;
constexpr std::string_view version = "share2";

}  // namespace

ShareScope::ShareScope(double target, std::chrono::seconds window, const ShareHistogram& scores)
    : target_(target),
      bucket_length_(std::max(std::chrono::microseconds{window} / std::int64_t{buckets},
                              std::chrono::microseconds{1})),
      scores_(scores),
      base_(1 - target),
      position_used_(1 - target),
      threshold_(scores_.quantile(position_used_)) {}

void ShareScope::begin_from(const ShareHistogram& scores, double base) {
  scores_ = scores;
  base_ = std::clamp(base, 0.0, 1.0);
  position_used_ = base_;
  threshold_ = scores_.quantile(position_used_);
}

// --- What a step counts.

double ShareScope::mean_weight() const {
  const double steps = frontier_side_.steps + bulk_side_.steps;
  return steps > 0 ? (frontier_side_.weight + bulk_side_.weight) / steps : 0;
}

/// The guess, corrected by how guesses for this side have done; the mean weight without a guess.
double ShareScope::expected_weight(const ShareStep& step) const {
  const auto& side = step.frontier ? frontier_side_ : bulk_side_;
  const double guess = step.weight_guess > 0 ? step.weight_guess : 0;
  if (guess == 0) return mean_weight();
  return side.guess > 0 ? guess * side.weight / side.guess : guess;
}

/// Before anything ran, a step weighs the mean by definition.
double ShareScope::debt_of(bool frontier, double weight) const {
  const double mean = mean_weight();
  return ((frontier ? 1 : 0) - target_) * (mean > 0 ? weight / mean : 1);
}

double ShareScope::open(const ShareStep& step) {
  const double counted = debt_of(step.frontier, expected_weight(step));
  if (step.course == ShareCourse::steered) {
    scores_.remember(step.score);
    base_ += (std::clamp(position(), 0.0, 1.0) - base_) / base_steps;
  }
  learn_course(step.course);
  ++open_;
  const double moved = move(counted);
  debt_open_ += moved;
  return moved;
}

void ShareScope::close(const ShareStep& step, double counted, const ShareOutcome& outcome) {
  if (open_ > 0) --open_;
  debt_open_ = open_ == 0 ? 0 : debt_open_ - counted;
  if (!outcome.ran) {
    move(-counted);
    return;
  }
  const double weight = std::max(outcome.weight.value_or(expected_weight(step)), 0.0);
  if (outcome.weight) learn_weight(step, outcome.frontier, weight);
  ++steps_;
  if (outcome.frontier) ++frontier_steps_;
  count(outcome.at, outcome.frontier, weight);
  move(debt_of(outcome.frontier, weight) - counted);
}

/// By how much the debt really moved: what its bounds forgive cannot be taken back later.
double ShareScope::move(double debt) {
  const double room = 1 / std::min(stiffness(), 1.0);
  const double before = debt_;
  debt_ = std::clamp(debt_ + debt, debt_min * room, debt_max * room);
  const double overdrawn = debt_ / room;
  if (overdrawn >= overdrawn_at) escalation_allowed_ = false;
  if (overdrawn < overdrawn_until) escalation_allowed_ = true;
  const double wanted = position();
  if (std::abs(wanted - position_used_) > position_rest) position_used_ = wanted;
  threshold_ = scores_.quantile(position_used_);
  return debt_ - before;
}

// --- What is learned.

void ShareScope::learn_course(ShareCourse course) {
  // At rest where all steps are steps_per_choice times the steered ones.
  steps_per_choice_ += course_rate * (course == ShareCourse::steered ? 1 - steps_per_choice_ : 1);
  steps_per_choice_ = std::max(steps_per_choice_, 1.0);
}

void ShareScope::learn_weight(const ShareStep& step, bool frontier, double weight) {
  for (auto* side : {&frontier_side_, &bulk_side_}) {
    side->steps *= weight_fading;
    side->weight *= weight_fading;
    side->guess *= weight_fading;
  }
  auto& side = frontier ? frontier_side_ : bulk_side_;
  side.steps += 1;
  side.weight += weight;
  side.guess += std::max(step.weight_guess, 0.0);
}

void ShareScope::count(Instant at, bool frontier, double weight) {
  const auto number = at.time_since_epoch() / bucket_length_;
  auto& bucket = window_[static_cast<std::size_t>(number) % buckets];
  if (number < bucket.number) return;  // comes late, for a window already closed
  if (number > bucket.number) bucket = {number, 0, 0};
  bucket.all += weight;
  if (frontier) bucket.frontier += weight;
}

// --- The law.

/// What a frontier step weighs, in mean weights; never below 1.
double ShareScope::heaviness() const {
  const double mean = mean_weight();
  if (frontier_side_.steps < 1 || mean <= 0) return 1;
  return std::max(frontier_side_.weight / frontier_side_.steps / mean, 1.0);
}

double ShareScope::stiffness() const {
  const double held = steps_per_choice_held;
  const double loops =
      std::min(steps_per_choice_, held * held * held / (steps_per_choice_ * steps_per_choice_));
  return loops / std::sqrt(heaviness());
}

double ShareScope::position() const {
  const double stiff = stiffness();
  const double gentle = debt_gentle / std::min(stiff, 1.0);
  double pull = eta * debt_;
  if (std::abs(debt_) > gentle) pull += steep_gain * (debt_ - std::copysign(gentle, debt_));
  return base_ + stiff * pull;
}

ShareController::Steering ShareScope::steer() const { return {threshold_, escalation_allowed_}; }

ShareController::Report ShareScope::report(Instant now) const {
  ShareController::Report report;
  report.target = target_;
  report.debt = debt_;
  report.threshold = threshold_;
  report.escalation_allowed = escalation_allowed_;
  report.steps = steps_;
  report.frontier_steps = frontier_steps_;
  report.open = open_;
  const auto current = now.time_since_epoch() / bucket_length_;
  double frontier = 0;
  for (const auto& bucket : window_) {
    if (bucket.number < 0 || bucket.number > current ||
        current - bucket.number >= std::ssize(window_))
      continue;
    report.weight += bucket.all;
    frontier += bucket.frontier;
  }
  report.share = report.weight > 0 ? frontier / report.weight : target_;
  return report;
}

// --- Stored.

std::string ShareScope::text() const {
  auto line = fmt::format("{} {:.17g} {:.17g} {:.17g} {:.17g} {} {}", version, debt_ - debt_open_,
                          base_, position_used_, steps_per_choice_, steps_, frontier_steps_);
  for (const auto* side : {&frontier_side_, &bulk_side_})
    fmt::format_to(std::back_inserter(line), " {:.17g} {:.17g} {:.17g}", side->steps, side->weight,
                   side->guess);
  fmt::format_to(std::back_inserter(line), " {}", bucket_length_.count());
  for (const auto& bucket : window_)
    fmt::format_to(std::back_inserter(line), " {} {:.17g} {:.17g}", bucket.number, bucket.all,
                   bucket.frontier);
  return line + " " + scores_.text();
}

bool ShareScope::parse(std::string_view text) {
  if (!text.starts_with(version)) return false;
  text.remove_prefix(version.size());
  bool sound = take_number(text, debt_) && take_number(text, base_) &&
               take_number(text, position_used_) && take_number(text, steps_per_choice_) &&
               take_number(text, steps_) && take_number(text, frontier_steps_);
  for (auto* side : {&frontier_side_, &bulk_side_}) {
    sound = sound && take_number(text, side->steps) && take_number(text, side->weight) &&
            take_number(text, side->guess) && side->steps >= 0 && side->weight >= 0 &&
            side->guess >= 0;
  }
  std::int64_t length = 0;
  sound = sound && take_number(text, length);
  for (auto& bucket : window_) {
    sound = sound && take_number(text, bucket.number) && take_number(text, bucket.all) &&
            take_number(text, bucket.frontier) && bucket.number >= -1;
  }
  sound = sound && scores_.parse(text) && text.empty() && base_ >= 0 && base_ <= 1 &&
          steps_per_choice_ >= 1;
  if (!sound) return false;
  if (length != bucket_length_.count()) window_ = {};  // another window is reported from now on
  move(0);
  return true;
}

}  // namespace turnpike::policy
