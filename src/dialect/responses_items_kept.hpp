// Output items that a Responses client may refer to by id instead of sending them again (item_reference; the AI SDK does so
// unless store is false). Providers that keep nothing, and translated answers, have them kept here: in the OpaqueStore,
// under the client's key, for as long as any other state. Of items that a provider keeps itself only the ids are noted:
// the account there is shared, and nobody may refer to another key's items.
#pragma once

#include <string>
#include <string_view>

#include "dialect/opaque_store.hpp"
#include "dialect/stream_translator.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// `item` is the JSON of one output item with an id; anything else is not kept.
void keep_response_item(const StreamOptions& options, std::string_view item);
/// The items of a whole response.
void keep_response_items(const StreamOptions& options, std::string_view response);
/// The request body with each reference replaced by its item, or left to the provider that keeps it. 400
/// unsupported_parameter for an item that this key has not been given, and past 32 MiB of items. Bodies that are not
/// JSON or hold no reference come back as they are.
Result<std::string> with_kept_items(std::string body, const OpaqueStore& store,
                                    std::string_view owner);

}  // namespace turnpike::dialect
