// Admin pages about virtual keys. `wanted` is a key's id or its unique name.
//
//   GET    /admin/keys[?all=1]        POST   /admin/keys
//   GET    /admin/keys/{key}          PATCH  /admin/keys/{key}
//   DELETE /admin/keys/{key}          POST   /admin/keys/{key}/rotate
//   GET    /admin/keys/{key}/history
#pragma once

#include <string>
#include <string_view>

#include "app/page_sources.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::app {

/// Without all=1, revoked keys are left out.
WholeReply list_keys_page(const PageSources& sources, std::string_view query);
/// 201 with the secret; `windows` makes the key a budget of its own in the same step.
WholeReply create_key_page(const PageSources& sources, const std::string& body);
/// Everything about the key, its effective caps and the models it may reach.
WholeReply show_key_page(const PageSources& sources, std::string_view wanted);
WholeReply change_key_page(const PageSources& sources, std::string_view wanted,
                           const std::string& body);
/// {grace_s, by}: a new secret; the old one is good for grace_s seconds more (default: none).
WholeReply rotate_key_page(const PageSources& sources, std::string_view wanted,
                           const std::string& body);
WholeReply revoke_key_page(const PageSources& sources, std::string_view wanted,
                           const std::string& body);
WholeReply key_history_page(const PageSources& sources, std::string_view wanted);

}  // namespace turnpike::app
