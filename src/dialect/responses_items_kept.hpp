// Output items that a Responses client may refer to by id instead of sending them again (item_reference; the AI SDK does so
// unless store is false). Providers that keep nothing, and translated answers, have them kept here: in the OpaqueStore,
// under the client's key, for as long as any other state.
#pragma once

#include <string>
#include <string_view>

#include "dialect/opaque_store.hpp"

namespace turnpike::dialect {

/// `item` is the JSON of one output item with an id; anything else is not kept.
void keep_response_item(OpaqueStore& store, std::string_view owner, std::string_view item);
/// The items of a whole response.
void keep_response_items(OpaqueStore& store, std::string_view owner, std::string_view response);
/// The request body with each known reference replaced by its item. Unknown ones stay: their provider may know them.
/// Bodies that are not JSON or hold no reference come back as they are; past 32 MiB of items, references stay.
std::string with_kept_items(std::string body, const OpaqueStore& store, std::string_view owner);

}  // namespace turnpike::dialect
