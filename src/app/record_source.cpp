#include "app/record_source.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "account/store.hpp"
#include "app/decision_pages.hpp"
#include "app/operator_link.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

Error not_found(const std::string& id) {
  return client_error("decision_not_found", fmt::format("no decision {} is stored", quoted_for_message(id)), {}, 404);
}

class LiveRecords final : public RecordSource {
 public:
  LiveRecords(std::unique_ptr<OperatorLink> link, const RecordRange& range) : link_(std::move(link)) {
    if (!range.decision.empty()) {
      target_ = "/admin/decisions/" + range.decision;
      single_ = true;
    } else if (range.newest) {
      target_ = fmt::format("/admin/decisions?newest={}", *range.newest);
    } else {
      target_ = fmt::format("/admin/decisions?from={}", account::place_of_instant(range.since));
    }
  }

  Result<std::vector<std::string>> next() override {
    if (target_.empty()) return std::vector<std::string>{};
    const auto answer = link_->ask("GET", std::exchange(target_, ""), "");
    if (!answer) return std::unexpected{answer.error()};
    if (single_) return std::vector{answer->dump()};
    std::vector<std::string> records;
    for (const auto& record : answer->at("decisions")) records.push_back(record.dump());
    if (const auto more = answer->find("next"); more != answer->end()) target_ = fmt::format("/admin/decisions?from={}", more->get<std::int64_t>());
    return records;
  }

 private:
  std::unique_ptr<OperatorLink> link_;
  std::string target_;  // of the next question; empty: there is none
  bool single_ = false;
};

class FileRecords final : public RecordSource {
 public:
  FileRecords(account::Store store, RecordRange range) : store_(std::move(store)), range_(std::move(range)) {}

  Result<std::vector<std::string>> next() override {
    if (done_) return std::vector<std::string>{};
    if (!range_.decision.empty()) return only();
    if (const auto newest = std::exchange(range_.newest, std::nullopt)) {
      const auto begin = store_.place_of_newest(static_cast<std::int64_t>(*newest));
      if (!begin) return std::unexpected{begin.error()};
      place_ = *begin;
    } else if (!place_) {
      place_ = account::place_of_instant(range_.since);
    }
    auto page = store_.decisions_from(*place_, decisions_per_page);
    if (!page) return std::unexpected{page.error()};
    place_ = page->next;
    done_ = page->next == 0;
    return std::move(page->records);
  }

 private:
  Result<std::vector<std::string>> only() {
    done_ = true;
    auto record = store_.decision(range_.decision);
    if (!record) return std::unexpected{record.error()};
    if (!*record) return std::unexpected{not_found(range_.decision)};
    return std::vector{**std::move(record)};
  }

  account::Store store_;
  RecordRange range_;
  std::optional<account::DecisionPlace> place_;
  bool done_ = false;
};

}  // namespace

Config at_data(Config config, const std::filesystem::path& data) {
  if (data.empty()) return config;
  config.data = data;
  config.admin_token_file = data / "admin.token";
  return config;
}

Result<std::unique_ptr<RecordSource>> open_records(const Config& config, const Clock& clock, const RecordRange& range) {
  auto store = account::Store::open(config.data, account::Store::Access::read);
  if (store) return std::make_unique<FileRecords>(std::move(*store), range);
  if (store.error().code != "store_locked") return std::unexpected{store.error()};
  auto link = open_link(config, clock);
  if (!link) return std::unexpected{link.error()};
  return std::make_unique<LiveRecords>(std::move(*link), range);
}

}  // namespace turnpike::app
