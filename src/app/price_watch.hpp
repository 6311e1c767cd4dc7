// Tells ahead that a price ends: a week and a day before each dated change of a model the policy names, and at the change
// itself; once each, also across restarts (<data>/price_watch.state remembers what was told). The decision needs no
// telling: it takes the price of its own instant.
//
//   state := line*    line := target " " instant-of-the-change " " stage
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "account/ledger.hpp"
#include "app/price_outlook.hpp"
#include "gateway/snapshot.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

/// What is told of a change; each stage comes after those before it.
enum class PriceStage : std::uint8_t { none, week_ahead, day_ahead, changed };
std::string_view to_string(PriceStage stage);

struct PriceNotice {
  PriceStage stage = PriceStage::none;
  std::string target;
  PriceChange change;
  ModelBill bill;                       // last week's; empty once it has changed
  std::vector<TierOrderChange> order;  // of the tiers that name the model
};

/// Lives on the admin loop. A notice reads a week of the journal, in slices through the ledger's writer.
class PriceWatch {
 public:
  struct Sources {
    account::Ledger& ledger;
    const Clock& clock;
    std::function<std::shared_ptr<const gateway::Snapshot>()> snapshot;
    std::filesystem::path file;
  };
  explicit PriceWatch(Sources sources);
  /// Looks once a minute.
  void on_tick(Monotonic now);
  /// What is due and was not told before: logged, remembered, returned.
  std::vector<PriceNotice> look();

 private:
  using Change = std::pair<std::string, Instant>;  // target, at

  void load();
  void save() const;
  std::vector<PriceNotice> due(const gateway::Snapshot& snapshot, Instant now) const;
  /// False if the journal cannot be read now: then nothing is told, and the next look tries again.
  bool fill_bills(std::vector<PriceNotice>& notices, const gateway::Snapshot& snapshot, Instant now);
  void remember(const std::vector<PriceNotice>& notices, Instant now);

  Sources sources_;
  std::map<Change, PriceStage> told_;
  Monotonic looked_{};
};

}  // namespace turnpike::app
