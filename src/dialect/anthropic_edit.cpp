#include "dialect/anthropic_edit.hpp"

#include <algorithm>
#include <vector>

#include "wire/json_writer.hpp"

namespace turnpike::dialect {

std::string edited_object(wire::JsonView object, std::span<const MemberEdit> edits) {
  std::string out{"{"};
  const auto add = [&out](std::string_view key, std::string_view value) {
    if (out.size() > 1) out += ',';
    out.append("\"").append(key).append("\":").append(value);
  };
  const auto add_edited = [&add](const MemberEdit& edit) {
    if (edit.value) add(edit.key, *edit.value);
  };
  std::vector<bool> done(edits.size(), false);
  for (const auto& member : object.members()) {
    const auto edit =
        std::ranges::find_if(edits, [&](const MemberEdit& e) { return member.is(e.key); });
    if (edit == edits.end()) {
      add(member.key, member.value.raw());
      continue;
    }
    done[static_cast<std::size_t>(edit - edits.begin())] = true;
    add_edited(*edit);
  }
  for (std::size_t i = 0; i < edits.size(); ++i) {
    if (!done[i]) add_edited(edits[i]);
  }
  return out += '}';
}

std::string quoted_json(std::string_view text) {
  std::string out;
  wire::append_quoted(out, text);
  return out;
}

}  // namespace turnpike::dialect
