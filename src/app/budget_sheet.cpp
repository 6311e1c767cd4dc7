#include "app/budget_sheet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "app/budget_name.hpp"
#include "app/table.hpp"
#include "app/verb_tools.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t bar_cells = 10;

std::string bar(std::int64_t percent) {
  const auto filled =
      static_cast<std::size_t>(std::clamp<std::int64_t>((percent + 5) / bar_cells, 0, bar_cells));
  return std::string(filled, '#') + std::string(bar_cells - filled, '-');
}

/// A scope and what hangs below it. Named by its scope: "org:acme".
struct Node {
  std::string label;
  std::vector<const ordered_json*>
      budgets;  // of the scope, those with a filter behind the plain one
  std::vector<std::string> below;
};

/// True if the scope has a budget for all its requests, which then is its first.
bool has_plain(const Node& node) {
  return !node.budgets.empty() &&
         split_budget_name((*node.budgets.front())["budget"].get_ref<const std::string&>())
             .filter.empty();
}

class Tree {
 public:
  Tree(const ordered_json& budgets, const ordered_json& keys) {
    for (const auto& key : keys) keys_.emplace(key["id"].get<std::string>(), &key);
    nodes_["all"].label = "all";
    for (const auto& budget : budgets) {
      const auto name = budget["budget"].get_ref<const std::string&>();
      node(std::string{split_budget_name(name).scope}).budgets.push_back(&budget);
    }
    for (auto& [scope, node] : nodes_) {
      std::ranges::sort(node.below, {}, [](const std::string& below) {
        return std::pair{below.starts_with("key:"), below};
      });
      std::ranges::sort(node.budgets, {}, [](const auto* budget) {
        return (*budget)["budget"].template get<std::string>();
      });
    }
  }

  template <typename Visit>
  void walk(const Visit& visit) const {
    walk("all", 0, visit);
  }

 private:
  /// Made with all that is above it.
  Node& node(const std::string& scope) {
    const auto [found, made] = nodes_.try_emplace(scope);
    auto& node = found->second;  // a map's nodes stay where they are
    if (!made) return node;
    node.label = label_of(scope);
    this->node(parent_of(scope)).below.push_back(scope);
    return node;
  }

  std::string parent_of(std::string_view scope) const {
    const auto [kind, path] = scope_parts(scope);
    if (kind == "team:" || kind == "user:")
      return fmt::format("org:{}", path.substr(0, path.find('/')));
    const auto key = kind == "key:" ? keys_.find(path) : keys_.end();
    if (key == keys_.end()) return "all";
    const auto text = [&](const char* field) { return (*key->second)[field].get<std::string>(); };
    if (!text("team").empty()) return fmt::format("team:{}/{}", text("org"), text("team"));
    if (!text("user").empty()) return fmt::format("user:{}/{}", text("org"), text("user"));
    return fmt::format("org:{}", text("org"));
  }

  std::string label_of(std::string_view scope) const {
    const auto key = keys_.find(scope_parts(scope).path);
    if (!scope.starts_with("key:") || key == keys_.end()) return std::string{scope};
    const auto user = (*key->second)["user"].get<std::string>();
    const bool below_team = !(*key->second)["team"].get_ref<const std::string&>().empty();
    return fmt::format("{} \"{}\"{}", scope, (*key->second)["name"].get<std::string>(),
                       below_team && !user.empty() ? fmt::format(" of {}", user) : "");
  }

  template <typename Visit>
  void walk(const std::string& scope, std::size_t depth, const Visit& visit) const {
    const auto& node = nodes_.at(scope);
    visit(node, depth);
    // What has no budget of its own is a heading; "all" without one is not worth a line, nor an
    // indent.
    const auto deeper = scope == "all" && !has_plain(node) ? depth : depth + 1;
    for (const auto& below : node.below) walk(below, deeper, visit);
  }

  std::map<std::string, const ordered_json*, std::less<>> keys_;
  std::map<std::string, Node, std::less<>> nodes_;
};

/// Bounds that are no windows, as words.
std::string bounds_text(const ordered_json& budget) {
  std::string text = budget["frozen"] == true ? "FROZEN" : "";
  const auto add = [&](const char* field, std::string_view words) {
    if (budget[field].is_null()) return;
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {}", words, cell(budget[field]));
  };
  add("concurrency_max", "at once");
  add("request_cost_max", "a request");
  add("conversation_max", "a conversation");
  return text;
}

std::string state_text(const ordered_json& budget, const ordered_json& window) {
  const auto pressure = cell(window["pressure"]);
  const auto bounds = bounds_text(budget);
  if (pressure == "none") return bounds;
  return bounds.empty() ? pressure : fmt::format("{}, {}", bounds, pressure);
}

/// Windows as lines. Columns that say nothing here are left out: the bar beside a pipe, what other
/// replicas have settled where there are none.
class Sheet {
 public:
  Sheet(bool bars, bool replicas)
      : bars_(bars), replicas_(replicas), table_(columns(bars, replicas)) {}

  void heading(std::string label) { table_.add({std::move(label)}); }

  void add(const std::string& label, const ordered_json& budget) {
    const auto& windows = budget["windows"];
    if (windows.empty()) add_row(label, nullptr, bounds_text(budget));
    bool first = true;
    for (const auto& window : windows) {
      add_row(first ? label : "", &window, state_text(budget, window));
      first = false;
    }
  }
  void print(std::ostream& out) const { table_.print(out); }

 private:
  static std::vector<Table::Column> columns(bool bars, bool replicas) {
    std::vector<Table::Column> columns{
        {"budget"}, {"window"}, {"used", Align::right}, {"reserved", Align::right}};
    if (replicas) columns.push_back({"elsewhere", Align::right});
    columns.push_back({"limit", Align::right});
    columns.push_back({"%", Align::right});
    if (bars) columns.push_back({""});
    columns.push_back({"begins anew"});
    columns.push_back({"state"});
    return columns;
  }
  /// `window` is null for a budget that has none.
  void add_row(const std::string& label, const ordered_json* window, std::string state) {
    const auto field = [&](const char* name) {
      return window == nullptr ? std::string{"-"} : cell((*window)[name]);
    };
    std::vector<std::string> row{label, field("span"), field("used"), field("reserved")};
    if (replicas_) row.push_back(field("elsewhere"));
    row.insert(row.end(), {field("limit"), field("percent")});
    if (bars_)
      row.push_back(window == nullptr ? std::string{}
                                      : bar((*window)["percent"].get<std::int64_t>()));
    row.insert(row.end(),
               {window == nullptr ? std::string{"-"} : moment((*window)["end"]), std::move(state)});
    table_.add(std::move(row));
  }

  bool bars_;
  bool replicas_;
  Table table_;
};

bool has_elsewhere(const ordered_json& budget) {
  return std::ranges::any_of(budget["windows"],
                             [](const auto& window) { return window["elsewhere_nano"] != 0; });
}

}  // namespace

void print_budgets(const ordered_json& budgets, const ordered_json& keys, bool bars,
                   std::ostream& out) {
  if (budgets.empty()) {
    out << "no budgets: nothing bounds spending; set one with `turnpike budgets set org:NAME "
           "100/month`\n";
    return;
  }
  Sheet table{bars, std::ranges::any_of(budgets, has_elsewhere)};
  Tree{budgets, keys}.walk([&](const Node& node, std::size_t depth) {
    const std::string indent(depth * 2, ' ');
    if (!has_plain(node) && node.label != "all") table.heading(indent + node.label);
    for (const auto* budget : node.budgets) {
      const auto filter =
          split_budget_name((*budget)["budget"].get_ref<const std::string&>()).filter;
      const auto below = fmt::format("{}{}{}", indent, node.label == "all" ? "" : "  ", filter);
      table.add(filter.empty() ? indent + node.label : below, *budget);
    }
  });
  table.print(out);
}

void print_budget(const ordered_json& budget, bool bars, std::ostream& out) {
  Sheet table{bars, has_elsewhere(budget)};
  table.add(cell(budget["budget"]), budget);
  table.print(out);
  out << fmt::format("\nset {} by {}{}\n", moment(budget["set"]), cell(budget["by"]),
                     budget["why"] == "" ? "" : fmt::format(": {}", cell(budget["why"])));
  out << fmt::format("open attempts: {}\n", cell(budget["open_attempts"]));
  const auto& keys = budget["keys"];
  out << fmt::format("binds {}{}\n", counted(static_cast<std::int64_t>(keys.size()), "key"),
                     keys.empty() ? "" : ":");
  for (const auto& key : keys) {
    out << fmt::format("  {}  {}{}\n", cell(key["id"]), cell(key["name"]),
                       key["state"] == "active" ? "" : fmt::format("  ({})", cell(key["state"])));
  }
}

}  // namespace turnpike::app
