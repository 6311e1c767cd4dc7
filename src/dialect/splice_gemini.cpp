#include "dialect/splice_gemini.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "dialect/effort.hpp"
#include "dialect/gemini_fields.hpp"
#include "dialect/gemini_history.hpp"
#include "dialect/gemini_words.hpp"
#include "dialect/line_separators.hpp"
#include "dialect/losses.hpp"
#include "dialect/member_splicer.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonView;

class GeminiSplicer {
 public:
  GeminiSplicer(const std::string& body, const RequestView& view, const Candidate& candidate,
                const TranslateOptions& options)
      : view_(view),
        candidate_(candidate),
        options_(options),
        root_(body),
        request_(generate_request(root_)),
        fields_(request_),
        splicer_(body) {}

  Outgoing run() {
    name_model();
    if (!options_.count_only) limit_output();
    const auto config = fields_["generationConfig"];
    const GeminiFields generation{config};
    if (const auto* thinking = generation.find("thinkingConfig"))
      convert_thinking(generation, *thinking);
    add_limit(config);
    repair_gemini_history(fields_["contents"], view_, candidate_, options_, splicer_, losses_);
    if (options_.count_only) wrap_for_count();
    Outgoing out;
    out.path = "/v1beta/models/" + candidate_.model + verb();
    out.body = splicer_.apply();
    escape_line_separators(out.body);
    out.losses = losses_.names();
    return out;
  }

 private:
  [[nodiscard]] const char* verb() const {
    if (options_.count_only) return ":countTokens";
    return view_.stream ? ":streamGenerateContent?alt=sse" : ":generateContent";
  }
  [[nodiscard]] std::string model_resource() const {
    return fmt::format(R"("models/{}")", candidate_.model);
  }
  [[nodiscard]] bool wrapped() const { return request_.raw().data() != root_.raw().data(); }

  /// The path names the model; a body that names it as well must not contradict.
  void name_model() {
    if (const auto model = fields_["model"]; model.is_string())
      splicer_.replace(model, model_resource());
    if (!wrapped()) return;
    if (fields_.find("model") == nullptr)
      splicer_.insert_first(request_, R"("model":)" + model_resource());
    const auto outer = GeminiFields{root_}["model"];
    if (outer.is_string()) splicer_.replace(outer, model_resource());
  }

  /// The counting endpoint takes contents alone, or a whole request under a name of its own.
  void wrap_for_count() {
    if (wrapped()) return;
    const bool alone = std::ranges::all_of(fields_, [](const JsonView::Member& member) {
      return member.is("contents") || member.is("model");
    });
    if (alone) return;
    std::string opening = R"("generateContentRequest":{)";
    if (fields_.find("model") == nullptr) opening += R"("model":)" + model_resource() + ",";
    splicer_.insert_at(view_.object_end, "}");
    splicer_.insert_after_brace(root_, std::move(opening));
  }

  // ---- limit

  void limit_output() {
    auto ceiling = options_.output_tokens_cap.value_or(INT64_MAX);
    if (candidate_.output_tokens_max > 0) ceiling = std::min(ceiling, candidate_.output_tokens_max);
    const auto limit = GeminiFields{fields_["generationConfig"]}["maxOutputTokens"];
    if (const auto tokens = limit.integer()) {
      if (*tokens > ceiling) splicer_.replace(limit, std::to_string(ceiling));
    } else if (options_.output_tokens_cap && !limit.absent()) {
      splicer_.replace(limit, std::to_string(ceiling));
    } else if (options_.output_tokens_cap) {
      limit_member_ = fmt::format(R"("maxOutputTokens":{})", ceiling);
    }
  }

  /// A limit where there was none.
  void add_limit(JsonView config) {
    if (limit_member_.empty()) return;
    if (config.is_object()) return splicer_.insert_first(config, std::move(limit_member_));
    if (!config.absent()) return splicer_.replace(config, "{" + limit_member_ + "}");
    splicer_.insert_first(request_, R"("generationConfig":{)" + limit_member_ + "}");
  }

  // ---- thinking

  /// The client may believe that it talks to a model of the other generation, or to a smaller one.
  void convert_thinking(const GeminiFields& generation, const JsonView::Member& thinking) {
    if (candidate_.thinking == ThinkingStyle::none) {
      if (thinking.value.none()) return;
      losses_.add(Loss::reasoning_effort);
      // The one place where a member goes and another may come.
      if (limit_member_.empty()) return splicer_.erase(generation, thinking);
      return splicer_.replace(thinking, std::exchange(limit_member_, {}));
    }
    const GeminiFields fields{thinking.value};
    const auto wish = read_gemini_thinking(fields);
    if (!wish) return;  // a level from the future is the provider's to judge
    const auto* level = fields.find("thinkingLevel");
    const auto* budget = fields.find("thinkingBudget");
    if (candidate_.thinking == ThinkingStyle::gemini_level) {
      use_level(fields, level, budget, *wish);
    } else if (candidate_.thinking == ThinkingStyle::gemini_budget) {
      use_budget(fields, level, budget, *wish);
    }
  }

  [[nodiscard]] GeminiThinking plan(const GeminiThinkingWish& wish) {
    ir::Request request;
    request.effort = wish.effort;
    request.thinking_budget = wish.budget;
    request.output_tokens_max = view_.output_tokens_max;
    return plan_gemini_thinking(request, candidate_, losses_);
  }

  void use_level(const GeminiFields& fields, const JsonView::Member* level,
                 const JsonView::Member* budget, const GeminiThinkingWish& wish) {
    if (level != nullptr && !level->value.none()) {
      const bool known = wish.effort != Effort::unset && !candidate_.efforts.empty();
      const auto planned = known ? plan(wish).level : std::string{};
      const bool accepted = planned.empty() || planned == upper_case(level->value.text());
      if (!accepted) splicer_.replace(level->value, '"' + planned + '"');
      if (budget != nullptr) splicer_.erase(fields, *budget);
    } else if (budget != nullptr) {
      const auto planned = plan(wish).level;
      if (planned.empty()) return splicer_.erase(fields, *budget);
      splicer_.replace(*budget, fmt::format(R"("thinkingLevel":"{}")", planned));
    }
  }

  void use_budget(const GeminiFields& fields, const JsonView::Member* level,
                  const JsonView::Member* budget, const GeminiThinkingWish& wish) {
    if (budget != nullptr && !budget->value.none()) {
      if (level != nullptr) splicer_.erase(fields, *level);
      const auto tokens = budget->value.integer().value_or(-1);
      if (tokens < 0) return;
      auto within = std::max(tokens, candidate_.thinking_budget_min);
      if (candidate_.thinking_budget_max > 0)
        within = std::min(within, candidate_.thinking_budget_max);
      if (within != tokens) splicer_.replace(budget->value, std::to_string(within));
    } else if (level != nullptr) {
      const auto planned = wish.effort == Effort::unset ? std::nullopt : plan(wish).budget;
      if (!planned) return splicer_.erase(fields, *level);
      splicer_.replace(*level, fmt::format(R"("thinkingBudget":{})", *planned));
    }
  }

  const RequestView& view_;
  const Candidate& candidate_;
  const TranslateOptions& options_;
  JsonView root_;
  JsonView request_;
  GeminiFields fields_;
  MemberSplicer splicer_;
  std::string limit_member_;  // to be inserted, if there is one
  Losses losses_;
};

}  // namespace

Result<Outgoing> splice_gemini(const std::string& body, const RequestView& view,
                               const Candidate& candidate, const TranslateOptions& options) {
  return GeminiSplicer{body, view, candidate, options}.run();
}

}  // namespace turnpike::dialect
