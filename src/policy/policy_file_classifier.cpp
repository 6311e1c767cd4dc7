// [classifier] := learn = "off" | "policy" | "team" | "key", weak_signals = true | false
#include <algorithm>
#include <array>

#include "policy/policy_file.hpp"

namespace turnpike::policy {

void PolicyLoader::read_classifier(Reader& root) {
  static const std::array<std::string, 4> groups{"off", "policy", "team", "key"};
  const auto* node = root.table("classifier");
  if (node == nullptr) return;
  Reader table{*node, "[classifier]", faults_};
  auto& settings = policy_.classifier;
  if (const auto word = table.word("learn", groups))
    settings.learn = static_cast<LearnPer>(std::ranges::find(groups, *word) - groups.begin());
  const auto signals = table.boolean("weak_signals");
  if (signals && *signals && settings.learn == LearnPer::off)
    faults_.warning(table.at("weak_signals"), "[classifier] weak_signals has no effect: learn is \"off\"");
  settings.weak_signals = signals.value_or(settings.weak_signals);
  table.finish();
}

}  // namespace turnpike::policy
