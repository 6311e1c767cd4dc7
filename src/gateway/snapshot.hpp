// Everything that configuration decides, as one immutable value. A reload builds a new one and hands it to each loop;
// a request keeps the one it started with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.hpp"
#include "classify/classifier.hpp"
#include "dialect/model_list.hpp"
#include "policy/policy.hpp"
#include "policy/share.hpp"

namespace turnpike::gateway {

struct Snapshot {
  catalog::Catalog catalog;
  policy::Policy policy;
  const classify::Classifier* classifier = nullptr;  // outlives every snapshot
  /// The one part that learns. Handed on from snapshot to snapshot while the policy's share settings stay the same.
  std::shared_ptr<policy::ShareController> share;  // null: the policy holds no share
  std::vector<dialect::ModelInfo> models;          // what GET /v1/models lists
  std::string version;                             // short hash of the files: in records, logs and metrics
  bool decision_headers = true;                    // x-turnpike-* on answers
  bool log_requests = true;                        // one log line per request
};

}  // namespace turnpike::gateway
