// How the command line reaches a ledger: through the running gateway's admin listener if there is one, else by opening
// the directory itself. Commands see one interface and JSON either way.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "app/config.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

class OperatorLink {
 public:
  virtual ~OperatorLink() = default;
  /// One admin request: "GET", "/admin/keys", body (may be ""). The answer's JSON, or its error.
  virtual Result<nlohmann::ordered_json> ask(std::string_view method, std::string_view target, const std::string& body) = 0;
};

/// Live if <data>/admin.address names a listener that answers; else the directory, opened here and now.
Result<std::unique_ptr<OperatorLink>> open_link(const Config& config, const Clock& clock);

}  // namespace turnpike::app
