#include "dialect/responses_items_kept.hpp"

#include <utility>
#include <vector>

#include "wire/json_check.hpp"
#include "wire/json_document.hpp"
#include "wire/json_splice.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {
namespace {

using wire::JsonFields;
using wire::JsonView;

/// A longer item (an image) is sent again in full, or not at all.
constexpr std::size_t item_bytes_max = std::size_t{256} << 10U;
/// Of one request: a short body may name one long item many times.
constexpr std::size_t inserted_bytes_max = std::size_t{32} << 20U;

std::string item_key(std::string_view id) { return "item:" + std::string{id}; }

bool is_json(std::string_view text) { return !wire::check_json(text, wire::json_depth_max).fault; }

void keep(const StreamOptions& options, JsonView item) {
  const auto id = JsonFields{item}["id"].text();
  if (id.empty()) return;
  OpaqueState state;
  if (options.keep_items == KeepItems::whole) {
    if (item.raw().size() > item_bytes_max) return;
    state.blocks.push_back({OpaqueBlock::Form::reasoning, std::string{item.raw()}, {}});
  }
  options.opaque->put(options.owner, item_key(id), std::move(state));
}

bool keeps(const StreamOptions& options) {
  return options.opaque != nullptr && options.keep_items != KeepItems::no;
}

std::unexpected<Error> refuse(std::string message, std::size_t index) {
  return std::unexpected{client_error("unsupported_parameter", std::move(message),
                                      "input[" + std::to_string(index) + "].id")};
}

}  // namespace

void keep_response_item(const StreamOptions& options, std::string_view item) {
  if (keeps(options) && is_json(item)) keep(options, JsonView{item});
}

void keep_response_items(const StreamOptions& options, std::string_view response) {
  if (!keeps(options) || !is_json(response)) return;
  for (const JsonView& item : JsonFields{JsonView{response}}["output"].elements()) {
    keep(options, item);
  }
}

Result<std::string> with_kept_items(std::string body, const OpaqueStore& store,
                                    std::string_view owner) {
  if (body.find("item_reference") == std::string::npos || !is_json(body)) return body;
  std::vector<wire::Splice> splices;
  std::size_t inserted = 0;
  std::size_t index = 0;
  for (const JsonView& item : JsonFields{JsonView{body}}["input"].elements()) {
    const std::size_t position = index++;
    const JsonFields fields{item};
    if (!fields["type"].text_is("item_reference")) continue;
    auto kept = store.find(owner, item_key(fields["id"].text()));
    if (!kept) {
      return refuse("This key has been given no such item, or too long ago; send the item itself.",
                    position);
    }
    if (kept->blocks.empty()) continue;  // its provider has it
    inserted += kept->blocks.front().text.size();
    if (inserted > inserted_bytes_max)
      return refuse("The items referred to are too large.", position);
    const auto begin = static_cast<std::size_t>(item.raw().data() - body.data());
    splices.push_back({begin, begin + item.raw().size(), std::move(kept->blocks.front().text)});
  }
  if (splices.empty()) return body;
  return wire::apply(body, std::move(splices));
}

}  // namespace turnpike::dialect
