// Keeps the OpaqueStore's contents over a restart: the store's journal on one side, the file in the
// data directory on the other.
#pragma once

#include <string_view>

#include "account/opaque_file.hpp"
#include "dialect/opaque_store.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

/// Calls from the store come on any thread and cost a copy of the state.
class OpaquePersistence final : public dialect::OpaqueJournal {
 public:
  /// Fills the empty store with what the file holds and listens to it from then on; before the
  /// store's first use. The store must not be used once this is gone.
  OpaquePersistence(account::OpaqueFileOptions options, const Clock& clock,
                    dialect::OpaqueStore& store);

  void on_put(std::string_view owner, std::string_view key, const dialect::OpaqueState& state,
              Instant expires) override;
  void on_use(std::string_view owner, std::string_view key, Instant expires) override;
  void on_drop(std::string_view owner, std::string_view key) override;

  void flush() { file_.flush(); }
  [[nodiscard]] account::OpaqueFileFigures figures() const { return file_.figures(); }

 private:
  account::OpaqueFile file_;
};

}  // namespace turnpike::app
