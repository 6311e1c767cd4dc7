#include "dialect/anthropic_thinking.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "dialect/anthropic_edit.hpp"
#include "dialect/effort.hpp"
#include "dialect/ir.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

enum class Kind : std::uint8_t { unset, enabled, adaptive, disabled, other };

Kind kind_of(const JsonFields& thinking) {
  const auto type = thinking["type"];
  if (type.none()) return Kind::unset;
  if (type.text_is("enabled")) return Kind::enabled;
  if (type.text_is("adaptive")) return Kind::adaptive;
  return type.text_is("disabled") ? Kind::disabled : Kind::other;
}

class Fitter {
 public:
  Fitter(const JsonFields& body, const Candidate& candidate, const ThinkingLimits& limits,
         Losses& losses)
      : thinking_(body["thinking"]),
        fields_(thinking_),
        output_config_(body["output_config"]),
        candidate_(candidate),
        limits_(limits),
        losses_(losses),
        kind_(kind_of(fields_)),
        effort_(JsonFields{output_config_}["effort"].text()),
        new_effort_(effort_) {}

  FittedThinking run() {
    switch (candidate_.thinking) {
      case ThinkingStyle::claude_budget:
        fit_budget();
        break;
      case ThinkingStyle::claude_adaptive:
        fit_adaptive();
        break;
      case ThinkingStyle::claude_always:
        fit_always();
        break;
      case ThinkingStyle::deepseek_effort:
        // It thinks unless told not to and reads the effort beside; "adaptive" is not its word.
        if (kind_ == Kind::adaptive) become({{"type", R"("enabled")"}});
        out_.on = kind_ != Kind::disabled;
        break;
      default:
        out_.on = kind_ == Kind::enabled || kind_ == Kind::adaptive;
        break;
    }
    if (is_claude(candidate_)) fit_binding();
    write_thinking();
    write_effort();
    return std::move(out_);
  }

 private:
  // ---- the families -------------------------------------------------------------------------

  void fit_budget() {
    if (kind_ == Kind::adaptive || kind_ == Kind::enabled) {
      if (limits_.impossible) {
        switch_off();
      } else {
        kind_ == Kind::enabled ? limit_budget() : budget_for_adaptive();
      }
    }
    out_.on = (kind_ == Kind::adaptive || kind_ == Kind::enabled) && !out_.switched_off;
    if (!candidate_.efforts.empty()) return;
    // Said by the budget where there is one.
    losses_.add_if(!effort_.empty() && !out_.on, Loss::reasoning_effort);
    new_effort_.clear();
  }

  void budget_for_adaptive() {
    ir::Request asked;
    asked.effort = parse_effort(effort_).value_or(Effort::high);  // high: adaptive's own default
    const auto plan = plan_claude_thinking(asked, candidate_, limits_.tokens_max, false, losses_);
    if (plan.mode != ClaudeThinking::Mode::enabled) return switch_off();
    become({{"type", R"("enabled")"}, {"budget_tokens", std::to_string(plan.budget)}});
  }

  /// A budget at or above the client's own limit is the client's choice (interleaved thinking
  /// allows it); one that a lowered limit has overtaken is not.
  void limit_budget() {
    const auto budget = fields_["budget_tokens"].integer().value_or(0);
    const bool lowered = limits_.tokens_max < limits_.client_tokens_max;
    const bool overtaken = lowered && budget >= limits_.tokens_max;
    const auto most = candidate_.thinking_budget_max;
    const bool above_model = most > 0 && budget > most;
    if (!overtaken && !above_model) return;
    ir::Request asked;
    asked.thinking_budget = budget;
    const auto plan = plan_claude_thinking(asked, as_budget(), limits_.tokens_max, false, losses_);
    if (plan.mode != ClaudeThinking::Mode::enabled) return switch_off();
    become({{"budget_tokens", std::to_string(plan.budget)}});
  }

  void fit_adaptive() {
    // The generation that refuses sampling refuses budgets too.
    const bool budgets_refused = candidate_.quirks.sampling_rejected;
    if (kind_ == Kind::enabled) {
      if (budgets_refused) {
        become_adaptive();
      } else {
        limit_budget();
      }
    }
    if (kind_ == Kind::disabled && candidate_.quirks.prefill_rejected &&
        parse_effort(effort_).value_or(Effort::unset) > Effort::high) {
      new_effort_ = "high";  // without thinking there is nothing above it
    }
    out_.on = (kind_ == Kind::enabled || kind_ == Kind::adaptive) && !out_.switched_off;
    accept_effort();
  }

  void fit_always() {
    if (kind_ == Kind::enabled) become_adaptive();
    if (kind_ == Kind::disabled) {
      losses_.add(Loss::reasoning_effort);
      become({{"type", R"("adaptive")"}});
      if (effort_.empty()) new_effort_ = nearest_effort(Effort::low, candidate_.efforts);
    }
    out_.on = true;
    accept_effort();
  }

  void become_adaptive() {
    const auto budget = fields_["budget_tokens"].integer().value_or(0);
    become({{"type", R"("adaptive")"}, {"budget_tokens", std::nullopt}});
    if (!effort_.empty()) return;
    const auto limit =
        limits_.client_tokens_max > 0 ? limits_.client_tokens_max : limits_.tokens_max;
    new_effort_ = nearest_effort(effort_of_budget(budget, limit), candidate_.efforts);
  }

  void accept_effort() {
    const auto& accepted = candidate_.efforts;
    if (new_effort_.empty() || accepted.empty()) return;
    if (std::ranges::find(accepted, new_effort_) != accepted.end()) return;
    if (const auto effort = parse_effort(new_effort_))
      new_effort_ = nearest_effort(*effort, accepted);
  }

  void fit_binding() {
    const auto binding = fields_["block_binding"];
    if (!candidate_.quirks.thinking_bound) {
      if (!binding.absent()) become({{"block_binding", std::nullopt}});
    } else if (limits_.drop_unbound_blocks && binding.none() && out_.on) {
      if (thinking_.none()) become({{"type", R"("adaptive")"}});
      become({{"block_binding", R"({"prefix_mismatch_behavior":"drop_block"})"}});
    }
  }

  // ---- the fields ---------------------------------------------------------------------------

  void become(std::vector<MemberEdit> edits) {
    for (auto& edit : edits) edits_.push_back(std::move(edit));
  }

  void switch_off() {
    out_.switched_off = true;
    losses_.add(Loss::reasoning_effort);
  }

  /// A candidate that takes budgets beside adaptive thinking, seen as one that takes them only.
  [[nodiscard]] Candidate as_budget() const {
    Candidate candidate = candidate_;
    candidate.thinking = ThinkingStyle::claude_budget;
    return candidate;
  }

  void write_thinking() {
    using Action = FittedField::Action;
    if (out_.switched_off) {
      out_.thinking.action = Action::remove;  // off is what these families do unasked
    } else if (!edits_.empty()) {
      out_.thinking = {Action::replace, edited_object(thinking_, edits_)};
    }
  }

  void write_effort() {
    using Action = FittedField::Action;
    if (new_effort_ == effort_) return;
    std::optional<std::string> value;
    if (!new_effort_.empty()) value = quoted_json(new_effort_);
    const MemberEdit edit{"effort", std::move(value)};
    auto text = edited_object(output_config_, {&edit, 1});
    if (text == "{}") {
      out_.output_config.action = Action::remove;
    } else {
      out_.output_config = {Action::replace, std::move(text)};
    }
  }

  JsonView thinking_;
  JsonFields fields_;
  JsonView output_config_;
  const Candidate& candidate_;
  const ThinkingLimits& limits_;
  Losses& losses_;
  Kind kind_;
  std::string effort_;
  std::string new_effort_;
  std::vector<MemberEdit> edits_;  // of the member "thinking"
  FittedThinking out_;
};

}  // namespace

bool is_claude(const Candidate& candidate) {
  switch (candidate.thinking) {
    case ThinkingStyle::claude_budget:
    case ThinkingStyle::claude_adaptive:
    case ThinkingStyle::claude_always:
      return true;
    case ThinkingStyle::none:
      return candidate.family.starts_with("claude");
    default:
      return false;
  }
}

FittedThinking fit_thinking(const JsonFields& body, const Candidate& candidate,
                            const ThinkingLimits& limits, Losses& losses) {
  return Fitter{body, candidate, limits, losses}.run();
}

}  // namespace turnpike::dialect
