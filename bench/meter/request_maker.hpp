// Requests as an agent's harness sends them, drawn from a seed: the same for every gateway.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "options.hpp"

namespace turnpike::meter {

class RequestMaker {
 public:
  explicit RequestMaker(const Options& options);

  /// The next whole HTTP request, of a size and for an answer that are drawn.
  std::string next();
  /// A request for a stream that says a piece now and hardly another for an hour.
  std::string held();

 private:
  std::string make(std::int64_t body_bytes, bool stream, const std::string& directive);

  const Options& options_;
  std::mt19937_64 dice_;
  std::uint64_t count_ = 0;
  std::map<std::int64_t, std::string> histories_;  // by size: the turns between question and now
};

}  // namespace turnpike::meter
