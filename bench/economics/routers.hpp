// Who answers a step: the ways that are compared.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "catalog/catalog.hpp"
#include "gateway/held_cache.hpp"
#include "gateway/route_learning.hpp"
#include "gateway/token_meter.hpp"
#include "policy/decide.hpp"
#include "policy/share.hpp"
#include "turnpike/difficulty.hpp"
#include "world.hpp"

namespace turnpike::economics {

struct Choice {
  std::string target;
  std::string tier;
  bool frontier = false;
};

class Router {
 public:
  virtual ~Router() = default;
  virtual Choice choose(const Step& step, const Difficulty& difficulty) = 0;
  virtual void answered(const Step&, const Choice&, const Answer&) {}
};

/// Catalog and policy of a scenario, and what all routers of one kind need of them.
struct Setting {
  const catalog::Catalog& catalog;
  const policy::Policy& policy;
  std::uint64_t seed = 0;
};

std::unique_ptr<Router> always_frontier(const Setting& setting);
std::unique_ptr<Router> always_bulk(const Setting& setting);
/// Each step by a coin that falls on the frontier as often as the policy's share.
std::unique_ptr<Router> random_share(const Setting& setting);
/// Each step by its score alone, the share held by the same controller: what a router without memory of conversations does.
std::unique_ptr<Router> per_step(const Setting& setting);
/// policy::decide with all that the gateway tells it, learned from the answers of this run.
std::unique_ptr<Router> turnpike_itself(const Setting& setting);

}  // namespace turnpike::economics
