#include "app/price_watch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

using std::chrono::days;

constexpr std::array<std::pair<PriceStage, std::string_view>, 3> stages{
    {{PriceStage::week_ahead, "7d"}, {PriceStage::day_ahead, "1d"}, {PriceStage::changed, "changed"}}};

std::optional<PriceStage> parse_stage(std::string_view word) {
  for (const auto& [stage, name] : stages) {
    if (name == word) return stage;
  }
  return std::nullopt;
}

PriceStage stage_at(Instant change, Instant now) {
  if (now >= change) return PriceStage::changed;
  if (now >= change - days{1}) return PriceStage::day_ahead;
  return now >= change - days{7} ? PriceStage::week_ahead : PriceStage::none;
}

/// Every model that some tier may send a step to.
std::set<std::uint32_t> models_of(const policy::Policy& policy) {
  std::set<std::uint32_t> models;
  for (const auto& tier : policy.tiers) {
    for (const auto& target : tier.targets) models.insert(target.model);
    for (const auto& target : tier.fallback) models.insert(target.model);
  }
  return models;
}

/// "bulk: a/x, b/y -> b/y, a/x" for each tier whose order changes; tiers that stay only by name.
std::string order_text(const std::vector<TierOrderChange>& order) {
  std::string text;
  for (const auto& tier : order) {
    const auto names = [](const std::vector<std::string>& targets) { return targets.empty() ? std::string{"nobody"} : fmt::format("{}", fmt::join(targets, ", ")); };
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", tier.tier,
                        tier.before == tier.after ? "as before" : names(tier.before) + " -> " + names(tier.after));
  }
  return text;
}

void tell(const PriceNotice& notice, Instant now) {
  const auto& change = notice.change;
  const std::string at = to_rfc3339(change.at);
  const std::string settled = turnpike::to_string(notice.bill.settled);
  const std::string then = turnpike::to_string(notice.bill.then);
  const std::string order = order_text(notice.order);
  if (notice.stage == PriceStage::changed) {
    log(LogLevel::info, "price_changed", {{"target", std::string_view{notice.target}}, {"at", std::string_view{at}}, {"order", std::string_view{order}}});
    return;
  }
  log(LogLevel::warn, "price_change_ahead",
      {{"target", std::string_view{notice.target}},
       {"at", std::string_view{at}},
       {"stage", to_string(notice.stage)},
       {"seconds_left", std::chrono::duration_cast<std::chrono::seconds>(change.at - now).count()},
       {"kind", to_string(change.kind)},
       {"price_id", std::string_view{change.price_id}},
       {"next_price_id", std::string_view{change.next_price_id}},
       {"successor", std::string_view{change.successor}},
       {"last_week_attempts", notice.bill.attempts},
       {"last_week_credits", std::string_view{settled}},
       {"last_week_credits_then", std::string_view{then}},
       {"unpriced_attempts", notice.bill.unpriced},
       {"order", std::string_view{order}}});
}

}  // namespace

std::string_view to_string(PriceStage stage) {
  for (const auto& [value, name] : stages) {
    if (value == stage) return name;
  }
  return "none";
}

PriceWatch::PriceWatch(Sources sources) : sources_(std::move(sources)) { load(); }

void PriceWatch::load() {
  std::ifstream file{sources_.file};
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words{line};
    std::string target;
    std::string at;
    std::string stage;
    words >> target >> at >> stage;
    const auto instant = parse_instant(at);
    const auto parsed = parse_stage(stage);
    if (instant && parsed) told_[{target, *instant}] = *parsed;
  }
}

void PriceWatch::save() const {
  const std::filesystem::path fresh = sources_.file.string() + ".new";
  std::ofstream file{fresh, std::ios::trunc};
  for (const auto& [change, stage] : told_) file << change.first << ' ' << to_rfc3339(change.second) << ' ' << to_string(stage) << '\n';
  file.close();
  std::error_code failed;
  std::filesystem::rename(fresh, sources_.file, failed);
  const std::string name = sources_.file.string();
  if (!file || failed) log(LogLevel::error, "price_watch_state_not_written", {{"file", std::string_view{name}}});
}

void PriceWatch::on_tick(Monotonic now) {
  constexpr std::chrono::minutes interval{1};
  if (looked_ != Monotonic{} && now - looked_ < interval) return;
  looked_ = now;
  look();
}

std::vector<PriceNotice> PriceWatch::look() {
  const auto snapshot = sources_.snapshot();
  const Instant now = sources_.clock.now();
  auto notices = due(*snapshot, now);
  if (notices.empty() || !fill_bills(notices, *snapshot, now)) return {};
  for (const auto& notice : notices) tell(notice, now);
  remember(notices, now);
  return notices;
}

std::vector<PriceNotice> PriceWatch::due(const gateway::Snapshot& snapshot, Instant now) const {
  std::vector<PriceNotice> notices;
  for (const auto index : models_of(snapshot.policy)) {
    const auto& model = snapshot.catalog.models()[index];
    auto change = next_dated_change(model, now);
    if (!change) continue;
    const auto stage = stage_at(change->at, now);
    const auto told = told_.find({model.target(), change->at});
    if (stage == PriceStage::none || (told != told_.end() && told->second >= stage)) continue;
    notices.push_back({stage, model.target(), *std::move(change), {}, {}});
  }
  // Told before and now behind us.
  for (const auto& [change, stage] : told_) {
    if (change.second > now || stage == PriceStage::changed || snapshot.catalog.find(change.first) == nullptr) continue;
    PriceNotice notice;
    notice.stage = PriceStage::changed;
    notice.target = change.first;
    notice.change.at = change.second;
    notices.push_back(std::move(notice));
  }
  return notices;
}

bool PriceWatch::fill_bills(std::vector<PriceNotice>& notices, const gateway::Snapshot& snapshot, Instant now) {
  BillForecast forecast{snapshot.catalog, now};
  if (std::ranges::any_of(notices, [](const PriceNotice& notice) { return notice.stage != PriceStage::changed; })) {
    const auto read = sources_.ledger.each_charge({now - BillForecast::span, std::nullopt}, [&](const account::Charge& charge) { forecast.add(charge); });
    if (!read) {
      log(LogLevel::error, "price_watch_failed", {{"why", std::string_view{read.error().message}}});
      return false;
    }
  }
  const auto bills = forecast.bills();
  for (auto& notice : notices) {
    const auto found = std::ranges::find(bills, notice.target, &ModelBill::target);
    if (found != bills.end() && notice.stage != PriceStage::changed) notice.bill = *found;
    notice.order = order_around(snapshot.policy, snapshot.catalog, *snapshot.catalog.find(notice.target), notice.change.at, typical_prompt(notice.bill));
  }
  return true;
}

void PriceWatch::remember(const std::vector<PriceNotice>& notices, Instant now) {
  constexpr days kept{30};  // long enough for a clock that is set back
  for (const auto& notice : notices) told_[{notice.target, notice.change.at}] = notice.stage;
  std::erase_if(told_, [&](const auto& item) { return item.first.second < now - kept; });
  save();
}

}  // namespace turnpike::app
