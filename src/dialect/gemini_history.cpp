#include "dialect/gemini_history.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dialect/gemini_calls.hpp"
#include "dialect/gemini_fields.hpp"
#include "dialect/opaque_restore.hpp"
#include "dialect/opaque_store.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonView;

std::string json_text(std::string_view text) {
  std::string out;
  wire::append_quoted(out, text);
  return out;
}

bool is_model(const GeminiFields& content) { return content["role"].text_is("model"); }

class HistoryRepair {
 public:
  HistoryRepair(const Candidate& candidate, const TranslateOptions& options, MemberSplicer& splicer,
                Losses& losses)
      : candidate_(candidate), options_(options), splicer_(splicer), losses_(losses) {}

  void run(const std::vector<JsonView>& contents) {
    std::vector<bool> gone(contents.size(), false);
    for (std::size_t i = 0; i < contents.size(); ++i) {
      const GeminiFields content{contents[i]};
      const auto parts = gemini_list(content["parts"]);
      const bool model = is_model(content);
      if (!model) step_begins_ = true;
      if (model) {
        gone[i] = repair_model(parts);
      } else if (candidate_.quirks.strips_call_ids) {
        for (const auto& part : parts) strip_id(GeminiFields{part}["functionResponse"]);
      }
    }
    splicer_.erase(contents, gone);
  }

 private:
  /// True if nothing is left of the content: then no part of it has been touched.
  bool repair_model(const std::vector<JsonView>& parts) {
    const auto issuer = issuer_of(parts);
    std::vector<bool> gone(parts.size(), false);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      gone[i] = is_foreign_thought(GeminiFields{parts[i]}, issuer);
    }
    const bool any = std::ranges::find(gone, true) != gone.end();
    losses_.add_if(any, Loss::reasoning_history);
    if (any && std::ranges::find(gone, false) == gone.end()) return true;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const GeminiFields part{parts[i]};
      if (gone[i]) continue;
      if (!part["functionCall"].is_object()) {
        take_off_tag(part);
        continue;
      }
      sign_call(parts[i], part, std::exchange(step_begins_, false));
      if (candidate_.quirks.strips_call_ids) strip_id(part["functionCall"]);
    }
    splicer_.erase(parts, gone);
    return false;
  }

  /// Thoughts bear no mark of their own; the calls beside them tell who had them.
  static std::optional<IssuerTag> issuer_of(const std::vector<JsonView>& parts) {
    for (const auto& raw : parts) {
      const GeminiFields part{raw};
      if (!part["functionCall"].is_object()) continue;
      if (auto tag = gemini_issuer_tag(part["thoughtSignature"].text())) return tag;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool is_foreign_thought(const GeminiFields& part,
                                        const std::optional<IssuerTag>& issuer) const {
    if (part["thought"].boolean() != true || part["functionCall"].is_object()) return false;
    const auto signature = part["thoughtSignature"].text();
    const auto own = gemini_issuer_tag(signature);
    if (own) return own->provider != candidate_.provider;
    return signature.empty() && issuer && issuer->provider != candidate_.provider;
  }

  void take_off_tag(const GeminiFields& part) {
    const auto* signature = part.find("thoughtSignature");
    if (signature != nullptr && gemini_issuer_tag(signature->value.text()))
      splicer_.erase(part, *signature);
  }

  void sign_call(JsonView raw, const GeminiFields& part, bool begins_step) {
    const auto* member = part.find("thoughtSignature");
    const auto present = member == nullptr ? std::string{} : member->value.text();
    const auto tag = gemini_issuer_tag(present);
    if (!present.empty() && !tag) return;  // the vendor's own
    auto id = tag ? tag->call_id : std::string{};
    if (id.empty()) id = GeminiFields{part["functionCall"]}["id"].text();
    auto signature = stored_signature(id);
    if (signature.empty() && begins_step && candidate_.quirks.signatures_required) {
      signature = gemini_stand_in_signature;
      losses_.add(Loss::reasoning_history);
    }
    if (signature.empty()) {
      if (tag) splicer_.erase(part, *member);
    } else if (member != nullptr) {
      splicer_.replace(member->value, json_text(signature));
    } else {
      splicer_.insert_first(raw, R"("thoughtSignature":)" + json_text(signature));
    }
  }

  /// Empty if nothing is known that this model made.
  [[nodiscard]] std::string stored_signature(std::string_view id) const {
    if (options_.opaque == nullptr || id.empty()) return {};
    const auto state = options_.opaque->find(options_.owner, id);
    const bool own = state && state->kind == OpaqueKind::gemini_signature &&
                     state->vendor == candidate_.provider && state->family == candidate_.family;
    if (!own || state->blocks.empty()) return {};
    options_.note_put_back(*state);
    return state->blocks.back().signature;
  }

  void strip_id(JsonView named) {
    const GeminiFields fields{named};
    if (const auto* id = fields.find("id")) splicer_.erase(fields, *id);
  }

  const Candidate& candidate_;
  const TranslateOptions& options_;
  MemberSplicer& splicer_;
  Losses& losses_;
  bool step_begins_ = true;  // parallel calls may come in several contents
};

}  // namespace

void repair_gemini_history(JsonView contents, const RequestView& view, const Candidate& candidate,
                           const TranslateOptions& options, MemberSplicer& splicer,
                           Losses& losses) {
  const bool unsigned_calls = view.calls_in_history && candidate.quirks.signatures_required;
  if (!view.opaque_state && !unsigned_calls && !candidate.quirks.strips_call_ids) return;
  if (contents.is_array())
    HistoryRepair{candidate, options, splicer, losses}.run(contents.elements());
}

}  // namespace turnpike::dialect
