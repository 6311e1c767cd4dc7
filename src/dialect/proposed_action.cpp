#include "dialect/proposed_action.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "wire/json_check.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {
namespace {

using nlohmann::json;  // its objects are sorted by name

constexpr std::size_t calls_max = 256;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string single_blanks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (!is_blank(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/// One word with a slash in it, and no scheme in front.
bool looks_like_path(std::string_view text) {
  return text.find('/') != std::string_view::npos && text.find(' ') == std::string_view::npos &&
         text.find("://") == std::string_view::npos;
}

std::string plain_path(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (std::size_t at = 0; at < path.size();) {
    const bool begins_part = out.empty() || out.back() == '/';
    if (path[at] == '/' && !out.empty() && out.back() == '/') {
      ++at;
    } else if (begins_part && path.substr(at, 2) == "./") {
      at += 2;
    } else {
      out += path[at++];
    }
  }
  if (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

void normalise(json& value) {
  if (value.is_string()) {
    std::string text = single_blanks(value.get_ref<const std::string&>());
    if (looks_like_path(text)) text = plain_path(text);
    value = std::move(text);
  } else if (value.is_number_float()) {
    const double number = value.get<double>();
    constexpr double exact_max = 9007199254740992.0;  // 2^53: up to here whole numbers are exact
    if (std::abs(number) < exact_max && number == std::floor(number)) value = static_cast<std::int64_t>(number);
  } else if (value.is_array()) {
    for (auto& item : value) normalise(item);
  } else if (value.is_object()) {
    for (auto member = value.begin(); member != value.end();) {
      if (member->is_null()) {
        member = value.erase(member);
      } else {
        normalise(*member);
        ++member;
      }
    }
  }
}

std::uint64_t hash_of(std::string_view text, std::uint64_t key) {
  const std::uint64_t hash = XXH3_64bits_withSeed(text.data(), text.size(), key);
  return hash == 0 ? 1 : hash;
}

/// Of a multiset: sorted, so that parallel calls may come in any order.
std::uint64_t hash_of_all(std::vector<std::uint64_t> hashes, std::uint64_t key) {
  if (hashes.empty()) return 0;
  std::ranges::sort(hashes);
  return hash_of({reinterpret_cast<const char*>(hashes.data()), hashes.size() * sizeof(std::uint64_t)}, key);
}

}  // namespace

std::string normalised_arguments(std::string_view arguments, bool free_text) {
  if (free_text) return single_blanks(arguments);
  if (arguments.empty()) return "{}";  // common for tools without parameters
  // The depth is bounded before anything recursive looks at it.
  if (wire::check_json(arguments, wire::json_depth_max).fault) return single_blanks(arguments);
  json value = json::parse(arguments, nullptr, false);
  if (value.is_discarded()) return single_blanks(arguments);
  normalise(value);
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

ActionPrint fingerprint(const ProposedAction& action, std::uint64_t key) {
  std::vector<std::uint64_t> tools;
  std::vector<std::uint64_t> calls;
  for (const ProposedCall& call : action.calls) {
    tools.push_back(hash_of(call.name, key));
    calls.push_back(hash_of(call.name + '\0' + normalised_arguments(call.arguments, call.free_text), key));
  }
  return {hash_of_all(std::move(tools), key), hash_of_all(std::move(calls), key)};
}

void ActionRecorder::record(const StreamEvent& event) {
  std::visit(Overloaded{[this](const BlockStart& start) { begin(start); }, [this](const Delta& delta) { record(delta); },
                        [](const auto&) {}},
             event);
}

void ActionRecorder::begin(const BlockStart& start) {
  if (start.kind != BlockKind::tool_call || start.choice != 0) return;
  if (action_.calls.size() >= calls_max) {
    action_.whole = false;
    return;
  }
  action_.calls.push_back({std::string{start.name}, {}, start.free_text});
  blocks_.push_back(start.block);
}

void ActionRecorder::record(const Delta& delta) {
  if (delta.choice != 0) return;
  if (delta.kind == BlockKind::text) {
    keep_text(delta.bytes);
  } else if (delta.kind == BlockKind::tool_call) {
    ProposedCall* call = call_of(delta.block);
    argument_bytes_ += delta.bytes.size();
    action_.whole = action_.whole && call != nullptr && argument_bytes_ <= argument_bytes_max;
    if (action_.whole) call->arguments += delta.bytes;
  }
}

/// Whole characters only.
void ActionRecorder::keep_text(std::string_view bytes) {
  const std::size_t room = text_bytes_max_ - action_.text.size();
  if (text_full_ || room == 0) return;
  std::size_t kept = std::min(room, bytes.size());
  text_full_ = kept < bytes.size();
  while (text_full_ && kept > 0 && (static_cast<unsigned char>(bytes[kept]) & 0xc0U) == 0x80U) --kept;
  action_.text += bytes.substr(0, kept);
}

ProposedCall* ActionRecorder::call_of(std::int32_t block) {
  const auto found = std::ranges::find(blocks_, block);
  return found == blocks_.end() ? nullptr : &action_.calls[static_cast<std::size_t>(found - blocks_.begin())];
}

void ActionRecorder::clear() {
  action_ = {};
  blocks_.clear();
  text_full_ = false;
  argument_bytes_ = 0;
}

}  // namespace turnpike::dialect
