// Random JSON for tests of what must pass through unharmed.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace turnpike::dialect::test {

/// A random value of bounded depth; numbers and strings include what is easily broken on the way.
inline nlohmann::ordered_json random_value(std::mt19937_64& random, int depth) {
  using Json = nlohmann::ordered_json;
  switch (random() % (depth > 0 ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<std::int64_t>(random());
    case 3:
      return static_cast<double>(random() % 100'000) / 64.0;
    case 4:
      return std::string{"t\"\\\n\t\x01 /"}.substr(0, random() % 9) + (random() % 2 == 0 ? "\u00e9\U0001F600\u2028" : "");
    case 5: {
      auto array = Json::array();
      for (auto n = random() % 4; n > 0; --n) array.push_back(random_value(random, depth - 1));
      return array;
    }
    default: {
      auto object = Json::object();
      for (auto n = random() % 4; n > 0; --n) object["k" + std::to_string(random() % 100)] = random_value(random, depth - 1);
      return object;
    }
  }
}

}  // namespace turnpike::dialect::test
