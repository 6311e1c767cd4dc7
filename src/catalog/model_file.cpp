// [[model]]: what a model accepts.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "catalog/provider_file.hpp"

namespace turnpike::catalog {
namespace {

/// A word in a list of the file, and what it sets.
template <typename Owner>
struct Flag {
  std::string_view word;
  bool Owner::* member;
  bool value = true;
};

constexpr std::array<Flag<Needs>, 9> capability_flags{{{"tools", &Needs::tools},
                                                       {"parallel_tools", &Needs::parallel_tools},
                                                       {"vision", &Needs::vision},
                                                       {"documents", &Needs::documents},
                                                       {"audio", &Needs::audio},
                                                       {"json_schema", &Needs::json_schema},
                                                       {"reasoning", &Needs::reasoning},
                                                       {"choices", &Needs::many_choices},
                                                       {"logprobs", &Needs::logprobs}}};

constexpr std::array<Flag<ModelQuirks>, 10> quirk_flags{
    {{"sampling_rejected", &ModelQuirks::sampling_rejected},
     {"one_sampling_param", &ModelQuirks::one_sampling_param},
     {"forced_tool_rejected", &ModelQuirks::forced_tool_rejected},
     {"prefill_rejected", &ModelQuirks::prefill_rejected},
     {"mid_system_accepted", &ModelQuirks::mid_system_accepted},
     {"json_schema_by_instruction", &ModelQuirks::json_schema_native, false},
     {"strips_call_ids", &ModelQuirks::strips_call_ids},
     {"signatures_required", &ModelQuirks::signatures_required},
     {"reasoning_history", &ModelQuirks::reasoning_history},
     {"thinking_bound", &ModelQuirks::thinking_bound}}};

/// Calls `take` for each flag that the list names; an unknown word is a fault.
template <typename Owner, std::size_t N, typename Take>
void for_each_flag(TableReader& table, std::string_view key,
                   const std::array<Flag<Owner>, N>& flags, Take take) {
  for (const auto& word : table.strings(key)) {
    const auto* const flag =
        std::find_if(flags.begin(), flags.end(), [&](const auto& f) { return f.word == word; });
    if (flag != flags.end()) {
      take(*flag);
      continue;
    }
    if (word == "stream")
      continue;  // every model streams; the word is allowed because public catalogs list it
    std::vector<std::string> known;
    known.reserve(flags.size());
    for (const auto& f : flags) known.emplace_back(f.word);
    table.faults().error(table.at(key), fmt::format("{}: unknown {} \"{}\"{}", table.what(), key,
                                                    word, nearest_hint(word, known)));
  }
}

template <typename Owner, std::size_t N>
Owner read_flags(TableReader& table, std::string_view key,
                 const std::array<Flag<Owner>, N>& flags) {
  Owner owner;
  for_each_flag(table, key, flags,
                [&owner](const Flag<Owner>& flag) { owner.*(flag.member) = flag.value; });
  return owner;
}

void read_thinking(TableReader& table, Model& model) {
  if (const auto name = table.string("thinking")) {
    const auto style = parse_thinking_style(*name);
    if (!style)
      table.faults().error(table.at("thinking"),
                           fmt::format("{}: unknown thinking style \"{}\"", table.what(), *name));
    model.thinking = style.value_or(ThinkingStyle::none);
  }
  model.efforts = table.strings("efforts");
  std::optional<Effort> last;
  for (const auto& word : model.efforts) {
    const auto effort = parse_effort(word);
    if (!effort || (last && *effort <= *last))
      table.faults().error(table.at("efforts"),
                           fmt::format("{}: \"efforts\" must be known words from least to most; "
                                       "\"{}\" is not",
                                       table.what(), word));
    last = effort;
  }
  model.thinking_budget_min = table.integer("thinking_budget_min", 0).value_or(0);
  model.thinking_budget_max =
      table.integer("thinking_budget_max", model.thinking_budget_min).value_or(0);
}

/// How a provider counts the calls of the tools that it runs itself.
void read_server_tools(TableReader& table, Model& model) {
  model.server_calls_max =
      table.integer("server_tools_max", 1, 1000).value_or(model.server_calls_max);
  std::vector<std::string> known;
  for (std::size_t tool = 0; tool < server_tools; ++tool)
    known.emplace_back(to_string(static_cast<ServerTool>(tool)));
  for (const auto& word : table.strings("server_tools_once")) {
    const auto found = std::find(known.begin(), known.end(), word);
    if (found == known.end()) {
      table.faults().error(table.at("server_tools_once"),
                           fmt::format("{}: \"{}\" is no server tool{}; known: {}", table.what(),
                                       word, nearest_hint(word, known), fmt::join(known, ", ")));
      continue;
    }
    model.server_tools_once =
        static_cast<std::uint8_t>(model.server_tools_once | 1U << (found - known.begin()));
  }
}

void read_dates(TableReader& table, Model& model) {
  if (const auto checked = table.instant("as_of")) model.as_of = to_rfc3339(*checked).substr(0, 10);
  model.source = table.string("source").value_or("");
  model.retired_at = table.instant("retired_at");
  model.successor = table.string("successor").value_or("");
  if (model.as_of.empty() || model.source.empty())
    table.faults().warning(
        table.at("id"),
        fmt::format("{}: \"as_of\" and \"source\" should say where the figures come "
                    "from and when they were checked",
                    table.what()));
}

}  // namespace

std::vector<QuirkOff> read_quirks_off(TableReader& table, std::string_view key) {
  std::vector<QuirkOff> off;
  for_each_flag(table, key, quirk_flags, [&off](const Flag<ModelQuirks>& flag) {
    off.push_back({flag.member, !flag.value});
  });
  return off;
}

ModelEntry read_model(const TomlNode& node, const std::string& own_provider,
                      const Holidays& holidays, Decimal credits_per_usd, FaultLog& faults) {
  TableReader table{node, "[[model]]", faults};
  ModelEntry entry;
  entry.at = node.at;
  Model& model = entry.model;
  model.id = table.required_string("id");
  table.rename(fmt::format("model \"{}\"", model.id));
  model.provider = table.string("provider").value_or(own_provider);
  entry.provider_at = table.at("provider");
  if (model.provider.empty())
    faults.error(node.at, fmt::format("{}: \"provider\" is missing, and the file has no [provider]",
                                      table.what()));
  model.aliases = table.strings("aliases");
  model.family = table.string("family").value_or(model.target());
  model.context_tokens = table.integer("context_tokens", 1).value_or(0);
  model.output_tokens_max = table.integer("output_tokens_max", 1).value_or(0);
  for (const std::string_view key : {"context_tokens", "output_tokens_max"}) {
    if (table.find(key) == nullptr)
      faults.error(node.at, fmt::format("{}: \"{}\" is missing", table.what(), key));
  }
  model.tokens_per_image_max =
      table.integer("tokens_per_image_max", 1).value_or(model.tokens_per_image_max);
  model.can = read_flags(table, "capabilities", capability_flags);
  model.quirks = read_flags(table, "quirks", quirk_flags);
  entry.endpoints = table.strings("endpoints");
  entry.endpoints_at = table.at("endpoints");
  read_thinking(table, model);
  model.data_tags = table.strings("data");
  entry.cancel_stops_billing = table.boolean("cancel_stops_billing");
  read_server_tools(table, model);
  read_dates(table, model);
  entry.successor_at = table.at("successor");
  model.prices = read_prices(table, model, holidays, credits_per_usd);
  if (const auto* shadow = table.table("shadow_price")) {
    TableReader reader{*shadow, table.what() + " shadow_price", faults};
    model.shadow_price = read_rate_table(reader, credits_per_usd).tiers[0].rates;
    reader.finish();
  }
  table.finish();
  return entry;
}

}  // namespace turnpike::catalog
