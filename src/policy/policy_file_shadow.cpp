// The [shadow] section of a policy file.

#include <fmt/format.h>

#include <algorithm>

#include "policy/policy_file.hpp"

namespace turnpike::policy {
namespace {

using catalog::TableReader;
using catalog::TomlNode;

/// Nobody may learn from these what another model would say: the first decide about safety, the others have no answer
/// that could be compared.
bool never_shadowed(StepKind step) { return step == StepKind::permission_check || step == StepKind::token_count; }

std::vector<StepKind> read_steps(TableReader& table, std::vector<StepKind> standard) {
  if (table.find("steps") == nullptr) return standard;
  std::vector<StepKind> steps;
  for (const auto& word : table.strings("steps")) {
    const auto step = parse_step_kind(word);
    if (!step) {
      table.faults().error(table.at("steps"), fmt::format("[shadow]: unknown step kind \"{}\"", word));
    } else if (never_shadowed(*step)) {
      table.faults().error(table.at("steps"), fmt::format("[shadow]: \"{}\" steps are never shadowed", word));
    } else {
      steps.push_back(*step);
    }
  }
  if (steps.empty()) table.faults().error(table.at("steps"), "[shadow]: \"steps\" names no step kind that can be shadowed");
  return steps;
}

/// An amount above zero with at most nine digits behind the point.
Credits read_daily_credits(TableReader& table, const TomlNode& node) {
  const auto* value = table.find("credits_per_day");
  if (value == nullptr) {
    table.faults().error(node.at, "[shadow]: \"credits_per_day\" is missing; nothing is shadowed without a cap");
    return {};
  }
  const auto decimal = table.decimal("credits_per_day");
  if (!decimal) return {};
  constexpr int nano_digits = 9;
  std::int64_t nano = decimal->mantissa;
  bool exact = decimal->scale <= nano_digits;
  for (int i = decimal->scale; exact && i < nano_digits; ++i) exact = !__builtin_mul_overflow(nano, 10, &nano);
  if (!exact || nano <= 0) {
    table.faults().error(value->at, "[shadow]: \"credits_per_day\" must be an amount above zero, at most 9223372036, with at most 9 digits behind the point");
    return {};
  }
  return Credits::from_nano(nano);
}

}  // namespace

double ShadowPlan::chance_of(float percentile) const {
  return std::min(1.0, sample * (percentile >= hard_from ? hard_boost : 1));
}

bool ShadowPlan::takes(StepKind step) const { return std::ranges::find(steps, step) != steps.end(); }

std::string shadow_key_id(const std::string& policy) {
  std::string id = "shadow:" + policy.substr(0, 100);
  // The name of a budget has neither blanks nor control bytes.
  std::ranges::replace_if(id, [](unsigned char c) { return c <= ' ' || c == 0x7f; }, '-');
  return id;
}

void PolicyLoader::read_shadow(Reader& root) {
  const auto* node = root.table("shadow");
  if (node == nullptr) return;
  Reader table{*node, "[shadow]", faults_};
  const auto model = [&](const std::string& key) -> std::optional<ShadowModel> {
    const auto name = table.string(key);
    if (!name) return std::nullopt;
    const auto index = model_at("[shadow] " + key, *name, table.at(key));
    if (!index) return std::nullopt;
    return ShadowModel{*index, catalog_.models()[*index].target()};
  };
  ShadowPlan plan;
  if (table.find("candidate") == nullptr) faults_.error(node->at, "[shadow]: \"candidate\" is missing");
  const auto candidate = model("candidate");
  plan.judge = model("judge");
  plan.sample = table.number("sample", 0, 1).value_or(plan.sample);
  plan.credits_per_day = read_daily_credits(table, *node);
  plan.steps = read_steps(table, std::move(plan.steps));
  plan.until = table.instant("until");
  plan.self_sample = table.number("self_sample", 0, 1).value_or(plan.self_sample);
  plan.judge_sample = table.number("judge_sample", 0, 1).value_or(plan.judge_sample);
  if (table.find("judge_sample") != nullptr && table.find("judge") == nullptr)
    faults_.error(table.at("judge_sample"), "[shadow]: \"judge_sample\" without \"judge\" does nothing");
  plan.keep_texts = table.boolean("keep_texts").value_or(false);
  plan.concurrency_max = static_cast<std::int32_t>(table.integer("concurrency_max", 1, 1000).value_or(plan.concurrency_max));
  table.finish();
  if (plan.until && *plan.until <= options_.now) faults_.warning(table.at("until"), "[shadow] has ended: nothing is shadowed any more");
  if (!candidate) return;
  plan.candidate = *candidate;
  if (const auto wrong = catalog_.unusable(catalog_.models()[candidate->index], options_.now))
    faults_.warning(table.at("candidate"), fmt::format("[shadow] waits: {}", wrong->message));
  if (plan.judge && plan.judge->index == candidate->index)
    faults_.error(table.at("judge"), "[shadow]: a model cannot judge itself; \"judge\" and \"candidate\" are the same");
  if (plan.judge) {
    // It reads what clients send, as every target does.
    const auto& carried = catalog_.models()[plan.judge->index].data_tags;
    for (const auto& tag : policy_.data_tags) {
      if (std::ranges::find(carried, tag) == carried.end())
        faults_.error(table.at("judge"), fmt::format("[shadow]: the judge {} lacks the data tag \"{}\" of this policy", plan.judge->name, tag));
    }
  }
  policy_.shadow = std::move(plan);
}

}  // namespace turnpike::policy
