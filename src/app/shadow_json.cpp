#include "app/shadow_json.hpp"

#include <nlohmann/json.hpp>

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

ordered_json side_json(const ShadowSide& side) {
  ordered_json json;
  json["target"] = side.target;
  json["error"] = side.error_code;
  json["usable"] = side.usable();
  json["tool_calls"] = side.answer.tool_calls;
  json["invalid_tool_json"] = side.answer.invalid_tool_json;
  json["calls_fit_schema"] = side.calls_fit;
  json["refusal"] = side.answer.refusal;
  json["empty"] = side.answer.empty;
  json["length_stop"] = side.answer.length_stop;
  json["first_token_us"] = side.first_token_us;
  json["total_us"] = side.total_us;
  json["input_fresh"] = side.usage.input_fresh;
  json["cache_read"] = side.usage.input_cache_read;
  json["cache_write_5m"] = side.usage.input_cache_write_5m;
  json["cache_write_1h"] = side.usage.input_cache_write_1h;
  json["output_text"] = side.usage.output_text;
  json["output_reasoning"] = side.usage.output_reasoning;
  json["cost_nano"] = side.cost.nano();
  json["price"] = side.price_id;
  return json;
}

ShadowSide read_side(const ordered_json& json) {
  ShadowSide side;
  side.target = json.value("target", "");
  side.error_code = json.value("error", "");
  side.answer.tool_calls = json.value("tool_calls", std::int64_t{0});
  side.answer.invalid_tool_json = json.value("invalid_tool_json", false);
  side.calls_fit = json.value("calls_fit_schema", true);
  side.answer.refusal = json.value("refusal", false);
  side.answer.empty = json.value("empty", false);
  side.answer.length_stop = json.value("length_stop", false);
  side.first_token_us = json.value("first_token_us", std::int64_t{-1});
  side.total_us = json.value("total_us", std::int64_t{-1});
  side.usage.input_fresh = json.value("input_fresh", std::int64_t{0});
  side.usage.input_cache_read = json.value("cache_read", std::int64_t{0});
  side.usage.input_cache_write_5m = json.value("cache_write_5m", std::int64_t{0});
  side.usage.input_cache_write_1h = json.value("cache_write_1h", std::int64_t{0});
  side.usage.output_text = json.value("output_text", std::int64_t{0});
  side.usage.output_reasoning = json.value("output_reasoning", std::int64_t{0});
  side.cost = Credits::from_nano(json.value("cost_nano", std::int64_t{0}));
  side.price_id = json.value("price", "");
  return side;
}

ShadowPair read_pair(const ordered_json& json) {
  ShadowPair pair;
  pair.at = parse_instant(json.at("at").get<std::string>()).value();
  pair.decision_id = json.at("decision").get<std::string>();
  pair.policy = json.value("policy", "");
  pair.kind = parse_shadow_kind(json.at("kind").get<std::string>()).value();
  pair.conversation = json.value("conversation", "");
  pair.step = parse_step_kind(json.at("step").get<std::string>()).value();
  pair.score = json.value("score", 0.0F);
  pair.percentile = json.value("percentile", 0.0F);
  pair.weight = json.value("weight", 1.0);
  pair.same_tools = json.value("same_tools", false);
  pair.same_action = json.value("same_action", false);
  pair.live = read_side(json.at("live"));
  pair.shadow = read_side(json.at("shadow"));
  if (const auto judge = json.find("judge"); judge != json.end()) {
    pair.judgement = ShadowJudgement{judge->value("target", ""), parse_judge_verdict(judge->value("verdict", "")).value_or(JudgeVerdict::unclear),
                                     Credits::from_nano(judge->value("cost_nano", std::int64_t{0}))};
  }
  if (const auto texts = json.find("texts"); texts != json.end()) pair.texts = ShadowTexts{texts->value("live", ""), texts->value("shadow", "")};
  return pair;
}

}  // namespace

ordered_json to_json(const ShadowPair& pair) {
  ordered_json json;
  json["at"] = to_rfc3339(pair.at);
  json["decision"] = pair.decision_id;
  json["policy"] = pair.policy;
  json["kind"] = to_string(pair.kind);
  json["conversation"] = pair.conversation;
  json["step"] = to_string(pair.step);
  json["score"] = pair.score;
  json["percentile"] = pair.percentile;
  json["weight"] = pair.weight;
  json["same_tools"] = pair.same_tools;
  json["same_action"] = pair.same_action;
  json["live"] = side_json(pair.live);
  json["shadow"] = side_json(pair.shadow);
  if (pair.judgement) {
    json["judge"] = {{"target", pair.judgement->target}, {"verdict", to_string(pair.judgement->verdict)}, {"cost_nano", pair.judgement->cost.nano()}};
  }
  if (pair.texts) json["texts"] = {{"live", pair.texts->live}, {"shadow", pair.texts->shadow}};
  return json;
}

bool is_self_text(std::string_view text) {
  // Inside of a string value the quotes would be escaped.
  return text.find(R"("kind":"self")") != std::string_view::npos;
}

std::optional<ShadowPair> parse_shadow_pair(const std::string& text) {
  // What the row lacks or has in another type ends up here: such a row is left out.
  try {
    return read_pair(ordered_json::parse(text));
  } catch (const ordered_json::exception&) {
    return std::nullopt;
  } catch (const std::bad_optional_access&) {
    return std::nullopt;
  } catch (const std::bad_expected_access<Error>&) {
    return std::nullopt;
  }
}

}  // namespace turnpike::app
