#include "app/opaque_persistence.hpp"

#include <string>
#include <utility>

#include "dialect/opaque_bytes.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {

OpaquePersistence::OpaquePersistence(account::OpaqueFileOptions options, const Clock& clock,
                                     dialect::OpaqueStore& store)
    : file_(std::move(options), clock) {
  std::int64_t unreadable = 0;
  file_.load([&](account::OpaqueRow row) {
    auto state = dialect::unpack(row.state);
    if (!state) {
      ++unreadable;
      file_.drop(std::move(row.owner), std::move(row.key));
      return true;
    }
    return store.restore(row.owner, row.key, *std::move(state), row.expires);
  });
  const auto figures = store.figures();
  log(LogLevel::info, "opaque_state_loaded",
      {{"entries", static_cast<std::int64_t>(figures.entries)},
       {"bytes", static_cast<std::int64_t>(figures.bytes)},
       {"unreadable", unreadable}});
  store.journal_to(*this);
}

void OpaquePersistence::on_put(std::string_view owner, std::string_view key,
                               const dialect::OpaqueState& state, Instant expires) {
  file_.put({std::string{owner}, std::string{key}, dialect::pack(state), expires});
}

void OpaquePersistence::on_use(std::string_view owner, std::string_view key, Instant expires) {
  file_.extend(std::string{owner}, std::string{key}, expires);
}

void OpaquePersistence::on_drop(std::string_view owner, std::string_view key) {
  file_.drop(std::string{owner}, std::string{key});
}

}  // namespace turnpike::app
