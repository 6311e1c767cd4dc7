#include "wire/json_splice.hpp"

#include <algorithm>
#include <numeric>

#include "wire/json_document.hpp"

namespace turnpike::wire {

std::string apply(std::string_view original, std::vector<Splice> splices) {
  // By position; several insertions at one place keep the order in which they were asked for.
  std::vector<std::size_t> order(splices.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return splices[a].begin != splices[b].begin ? splices[a].begin < splices[b].begin : a < b;
  });
  std::size_t size = original.size();
  for (const auto& splice : splices) size += splice.text.size();
  std::string result;
  result.reserve(size + json_slack);
  std::size_t copied = 0;
  for (const auto index : order) {
    const auto& splice = splices[index];
    result.append(original.substr(copied, splice.begin - copied));
    result.append(splice.text);
    copied = splice.end;
  }
  result.append(original.substr(copied));
  return result;
}

}  // namespace turnpike::wire
