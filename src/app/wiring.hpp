// The whole graph on one page: what is made, in which order, and who is given what.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/admin.hpp"
#include "app/config.hpp"
#include "app/handover.hpp"
#include "app/snapshots.hpp"
#include "catalog/fault.hpp"
#include "server/tls_context.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

class Application {
 public:
  /// Opens the ledger, loads the snapshot, binds both listeners. `tls`: null for plain HTTP. Nothing is served before run().
  /// `handed`: the listeners of a gateway whose end is waited for first.
  static Result<std::unique_ptr<Application>> make(Config config, std::shared_ptr<const gateway::Snapshot> snapshot,
                                                   std::shared_ptr<const server::TlsContext> tls, const Clock& clock, Handed handed);
  ~Application();
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  /// Serves until SIGTERM or SIGINT, then drains. The process's exit code.
  int run();

 private:
  class Impl;
  explicit Application(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace turnpike::app
