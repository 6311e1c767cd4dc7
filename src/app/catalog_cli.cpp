#include "app/catalog_cli.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/price_text.hpp"
#include "app/snapshots.hpp"
#include "app/table.hpp"
#include "catalog/catalog.hpp"

namespace turnpike::app {
namespace {

using catalog::Catalog;
using catalog::Model;
using nlohmann::ordered_json;

/// The catalog, or the exit code after its faults have been printed.
std::expected<Catalog, int> load_catalog(const Config& config) {
  auto loaded = Catalog::load(config.providers, load_options(config));
  if (loaded) return std::move(*loaded);
  print_faults(loaded.error());
  return std::unexpected{exit_config};
}

std::expected<Instant, int> instant_of(const std::string& text, const Clock& clock) {
  if (text.empty()) return std::chrono::floor<std::chrono::seconds>(clock.now());
  const auto at = parse_instant(text);
  if (at) return *at;
  std::cerr << "turnpike: --at: " << at.error().message << '\n';
  return std::unexpected{exit_usage};
}

std::vector<std::string> capability_words(const Needs& can) {
  std::vector<std::string> words;
  const auto add = [&words](bool has, const char* word) {
    if (has) words.emplace_back(word);
  };
  add(can.tools, "tools");
  add(can.parallel_tools, "parallel_tools");
  add(can.vision, "vision");
  add(can.documents, "documents");
  add(can.audio, "audio");
  add(can.json_schema, "json_schema");
  add(can.reasoning, "reasoning");
  add(can.many_choices, "choices");
  add(can.logprobs, "logprobs");
  return words;
}

ordered_json rates_json(const Rates& rates, const catalog::RateTable& table) {
  ordered_json json;
  for (const auto& [name, figure] : named_rates(rates, table)) json[name] = figure;
  return json;
}

/// What is in force, tier by tier, in credits.
ordered_json price_json(const catalog::PriceInForce& price) {
  ordered_json json;
  json["price_id"] = price.id();
  json["from"] = to_rfc3339(price.interval->from);
  if (price.interval->until != catalog::forever) json["until"] = to_rfc3339(price.interval->until);
  json["promotion"] = price.interval->promotion;
  if (!price.interval->note.empty()) json["note"] = price.interval->note;
  if (price.window != nullptr) json["window"] = window_text(*price.window);
  json["tiers"] = ordered_json::array();
  for (std::size_t i = 0; i < price.rates->count; ++i) {
    const auto& tier = price.rates->tiers[i];
    ordered_json entry{{"prompt_tokens_above", tier.prompt_tokens_above}};
    entry.update(rates_json(tier.rates, *price.rates));
    json["tiers"].push_back(std::move(entry));
  }
  return json;
}

ordered_json change_json(const Catalog& catalog, const Model& model, Instant at) {
  const auto change = catalog.next_price_change(model, at);
  if (!change) return nullptr;
  ordered_json json{{"at", to_rfc3339(*change)}};
  const auto then = price_at(model.prices, *change);
  if (then) {
    json["price"] = price_json(*then);
  } else {
    json["price"] = nullptr;
    if (!model.successor.empty()) json["successor"] = model.successor;
  }
  return json;
}

/// on_sale, retired, or not_yet for a model whose first price lies ahead.
std::string_view sale_state(const Catalog& catalog, const Model& model, Instant at) {
  const auto wrong = catalog.unusable(model, at);
  if (!wrong) return "on_sale";
  if (wrong->code == "model_retired") return "retired";
  return model.prices.empty() ? "no_price" : "not_yet";
}

ordered_json model_json(const Catalog& catalog, const Model& model, Instant at) {
  ordered_json json{{"target", model.target()},
                    {"aliases", model.aliases},
                    {"state", sale_state(catalog, model, at)}};
  json["context_tokens"] = model.context_tokens;
  json["output_tokens_max"] = model.output_tokens_max;
  json["capabilities"] = capability_words(model.can);
  json["efforts"] = model.efforts;
  const auto price = price_at(model.prices, at);
  json["price"] = price ? price_json(*price) : ordered_json{};
  json["next_change"] = change_json(catalog, model, at);
  if (model.retired_at) json["retired_at"] = to_rfc3339(*model.retired_at);
  if (!model.successor.empty()) json["successor"] = model.successor;
  if (model.shadow_price) json["shadow_price"] = rates_json(*model.shadow_price, {});
  json["as_of"] = model.as_of;
  json["source"] = model.source;
  return json;
}

/// "0.15", or "0.10/0.50" where the size of the prompt decides.
std::string over_tiers(const catalog::RateTable& table, std::int64_t Rates::* rate) {
  std::string text;
  for (std::size_t i = 0; i < table.count; ++i) {
    const auto figure = exact_decimal(table.tiers[i].rates.*rate, 6);
    if (i > 0 && table.tiers[i].rates.*rate == table.tiers[i - 1].rates.*rate) continue;
    if (!text.empty()) text += '/';
    text += figure;
  }
  return text;
}

/// What happens next, or what has happened: one cell.
std::string outlook(const Catalog& catalog, const Model& model, Instant at) {
  const std::string use = model.successor.empty() ? "" : "; use " + model.successor;
  const auto state = sale_state(catalog, model, at);
  if (state == "retired") return "retired" + use;
  if (state == "no_price") return "no price";
  const auto change = catalog.next_price_change(model, at);
  if (!change) return "-";
  const auto then = price_at(model.prices, *change);
  const auto when = day_or_instant(*change);
  if (!then) return when + " retires" + use;
  if (state == "not_yet") return when + " offered";
  return fmt::format("{} input {}, output {}", when, over_tiers(*then->rates, &Rates::input),
                     over_tiers(*then->rates, &Rates::output));
}

void print_models(const Catalog& catalog, const std::vector<const Model*>& models, Instant at) {
  Table table{{{"target"},
               {"context", Align::right},
               {"max out", Align::right},
               {"input", Align::right},
               {"cached", Align::right},
               {"output", Align::right},
               {"price"},
               {"next change"},
               {"capabilities"}}};
  for (const auto* model : models) {
    const auto price = price_at(model->prices, at);
    const auto words = capability_words(model->can);
    const auto figure = [&](std::int64_t Rates::* rate) {
      return price ? over_tiers(*price->rates, rate) : std::string{"-"};
    };
    const auto id = price ? price->id().substr(model->target().size() + 1) : std::string{"-"};
    table.add({model->target(), std::to_string(model->context_tokens),
               std::to_string(model->output_tokens_max), figure(&Rates::input),
               figure(&Rates::cache_read), figure(&Rates::output),
               price && price->interval->promotion ? id + " (promotion)" : id,
               outlook(catalog, *model, at), fmt::format("{}", fmt::join(words, " "))});
  }
  table.print(std::cout);
  std::cout << fmt::format("{} models at {}; credits per million tokens\n", models.size(),
                           to_rfc3339(at));
}

Usage usage_of(const CatalogPriceOptions& options) {
  Usage usage;
  usage.input_cache_read = options.cached;
  usage.input_cache_write_5m = options.written_5m;
  usage.input_cache_write_1h = options.written_1h;
  usage.input_fresh = options.prompt - options.cached - options.written_5m - options.written_1h;
  usage.output_text = options.output;
  usage.items = options.calls;
  return usage;
}

/// One line of the worked cost. Never rounded: count x rate in pico-credits.
struct CostLine {
  std::string what;
  std::int64_t count = 0;
  std::string rate;
  std::string amount;
};

std::vector<CostLine> worked_cost(const Rates& rates, const Usage& usage) {
  std::vector<CostLine> lines;
  const auto add = [&lines](std::string_view what, std::int64_t count, std::int64_t rate,
                            int scale) {
    if (count == 0) return;
    std::int64_t pico = 0;
    const bool fits = !__builtin_mul_overflow(count, rate, &pico);
    lines.push_back({std::string{what}, count, exact_decimal(rate, scale),
                     fits ? exact_decimal(pico, 12) : "too large"});
  };
  add("input", usage.input_fresh, rates.input, 6);
  add("cached", usage.input_cache_read, rates.cache_read, 6);
  add("cache_write_5m", usage.input_cache_write_5m, rates.cache_write_5m, 6);
  add("cache_write_1h", usage.input_cache_write_1h, rates.cache_write_1h, 6);
  add("output", usage.output(), rates.output, 6);
  for (std::size_t i = 0; i < server_tools; ++i)
    add(to_string(static_cast<ServerTool>(i)), usage.items[i], rates.items[i], 9);
  if (rates.per_request != 0) add("request", 1, rates.per_request, 12);
  return lines;
}

ordered_json cost_json(const std::vector<CostLine>& lines, Credits cost) {
  ordered_json json{{"lines", ordered_json::array()}, {"credits", to_string(cost)}};
  for (const auto& line : lines) {
    json["lines"].push_back({{"class", line.what},
                             {"count", line.count},
                             {"rate", line.rate},
                             {"credits", line.amount}});
  }
  return json;
}

void print_cost(const std::vector<CostLine>& lines, Credits cost) {
  Table table{
      {{"class"}, {"count", Align::right}, {"rate", Align::right}, {"credits", Align::right}}};
  for (const auto& line : lines)
    table.add({line.what, std::to_string(line.count), line.rate, line.amount});
  table.add({"together, rounded up", "", "", to_string(cost)});
  table.print(std::cout);
}

void print_tiers(const catalog::RateTable& table, std::int64_t prompt) {
  const auto& chosen = [&]() -> const RateTier& {
    std::size_t tier = 0;
    for (std::size_t i = 1; i < table.count; ++i)
      tier = prompt > table.tiers[i].prompt_tokens_above ? i : tier;
    return table.tiers[tier];
  }();
  for (std::size_t i = 0; i < table.count; ++i) {
    const auto& tier = table.tiers[i];
    std::string figures;
    for (const auto& [name, figure] : named_rates(tier.rates, table))
      figures += fmt::format("{}{} {}", figures.empty() ? "" : ", ", name, figure);
    const auto size = table.count == 1
                          ? std::string{"rates"}
                          : fmt::format("{} {} prompt tokens", i == 0 ? "from" : "above",
                                        tier.prompt_tokens_above);
    std::cout << fmt::format("{}{}: {}\n", size,
                             table.count > 1 && &tier == &chosen ? " (applies)" : "", figures);
  }
}

void print_price(const Catalog& catalog, const Model& model, Instant at, std::int64_t prompt) {
  const auto price = price_at(model.prices, at);
  const auto& interval = *price->interval;
  std::cout << fmt::format("{} at {}\n", model.target(), to_rfc3339(at));
  std::cout << fmt::format("price id: {}{}\n", price->id(),
                           interval.promotion ? " (promotion)" : "");
  std::cout << fmt::format(
      "interval: {} to {}{}\n", day_or_instant(interval.from),
      interval.until == catalog::forever ? "further notice" : day_or_instant(interval.until),
      interval.note.empty() ? "" : "; " + interval.note);
  if (price->window != nullptr) std::cout << "window: " << window_text(*price->window) << '\n';
  print_tiers(*price->rates, prompt);
  std::cout << "next change: " << outlook(catalog, model, at) << '\n';
  std::cout << fmt::format(
      "source: {} (as of {}); credits per million tokens, per thousand calls\n", model.source,
      model.as_of);
}

const Model* find_model(const Catalog& catalog, const std::string& name) {
  const auto* model = catalog.find(name);
  if (model == nullptr)
    std::cerr << fmt::format("turnpike: no model {}{}\n", quoted_for_message(name),
                             catalog::nearest_hint(name, catalog.names()));
  return model;
}

}  // namespace

int run_catalog_list(const Config& config, const Clock& clock, const CatalogListOptions& options,
                     Output output) {
  const auto at = instant_of(options.at, clock);
  if (!at) return at.error();
  const auto catalog = load_catalog(config);
  if (!catalog) return catalog.error();
  if (!options.provider.empty() && catalog->provider(options.provider) == nullptr) {
    std::vector<std::string> known;
    for (const auto& provider : catalog->providers()) known.push_back(provider.id);
    std::cerr << fmt::format("turnpike: no provider {}{}\n", quoted_for_message(options.provider),
                             catalog::nearest_hint(options.provider, known));
    return 1;
  }
  std::vector<const Model*> models;
  for (const auto& model : catalog->models()) {
    if (options.provider.empty() || model.provider == options.provider) models.push_back(&model);
  }
  std::ranges::sort(models, {}, [](const Model* model) { return model->target(); });
  if (!output.json) {
    print_models(*catalog, models, *at);
    return 0;
  }
  ordered_json json{{"at", to_rfc3339(*at)},
                    {"unit", "credits per million tokens, per thousand calls, per request"}};
  json["models"] = ordered_json::array();
  for (const auto* model : models) json["models"].push_back(model_json(*catalog, *model, *at));
  std::cout << json.dump(2) << '\n';
  return 0;
}

int run_catalog_price(const Config& config, const Clock& clock, const CatalogPriceOptions& options,
                      Output output) {
  const auto at = instant_of(options.at, clock);
  if (!at) return at.error();
  const auto usage = usage_of(options);
  if (any_negative(usage)) {
    std::cerr
        << "turnpike: cached and written tokens are part of --prompt, and nothing is below zero\n";
    return exit_usage;
  }
  const auto catalog = load_catalog(config);
  if (!catalog) return catalog.error();
  const auto* model = find_model(*catalog, options.model);
  if (model == nullptr) return 1;
  const auto candidate = catalog->candidate(*model, *at, std::chrono::seconds{0});
  if (!candidate) return fail(candidate.error());
  for (std::size_t i = 0; i < server_tools; ++i) {
    const auto tool = static_cast<ServerTool>(i);
    if (usage.items[i] == 0 || price_at(model->prices, *at)->rates->prices(tool)) continue;
    return fail(client_error(
        "no_price", fmt::format("{} has no price for {}", model->target(), to_string(tool))));
  }
  const auto cost = charge(candidate->quote, usage);
  if (!cost) return fail(cost.error());
  const auto lines = worked_cost(candidate->quote.rates_for(usage.input()), usage);
  if (output.json) {
    auto json = model_json(*catalog, *model, *at);
    json["at"] = to_rfc3339(*at);
    json["cost"] = cost_json(lines, *cost);
    std::cout << json.dump(2) << '\n';
    return 0;
  }
  print_price(*catalog, *model, *at, usage.input());
  if (!lines.empty()) print_cost(lines, *cost);
  return 0;
}

}  // namespace turnpike::app
