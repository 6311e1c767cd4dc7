#include "traffic.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace turnpike::economics {
namespace {

/// Shares of hard steps. A hard turn is hard in about half of its steps, planning first; an easy one seldom.
constexpr double hard_turns = 0.36;
constexpr double hard_in_hard = 0.5;
constexpr double hard_in_easy = 0.05;

/// A run of so many steps is several human turns in interactive work.
constexpr double run_share_of_turn = 0.5;

std::uint64_t mixed(std::uint64_t z) {
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31U);
}

enum What : std::uint8_t { arrival = 1, shape, turn_count, hardness, prompt, pause, length, step };

class Drawer {
 public:
  Drawer(const Work& work, const Measured& measured, std::uint64_t seed) : work_(work), measured_(measured), chance_(seed) {}

  Turn turn(std::uint64_t conversation, std::uint64_t number, double loop_scale) const {
    const std::uint64_t id = conversation * 4096 + number;
    Turn made;
    made.hard = chance_.of(hardness, id) < hard_turns;
    made.prompt = static_cast<std::uint64_t>(chance_.of(prompt, id) * 1e9);
    made.pause_s = number == 0 ? 0 : chance_.spread(work_.pause_s, work_.pause_sigma, pause, id);
    const auto place = static_cast<std::size_t>(chance_.of(length, id) * static_cast<double>(measured_.loops.size()));
    const double run = measured_.loops[std::min(place, measured_.loops.size() - 1)];
    const auto steps = 1 + static_cast<std::size_t>(std::lround(run * run_share_of_turn * loop_scale));
    for (std::size_t i = 0; i < steps; ++i) {
      const double share = made.hard ? (i == 0 ? 1.0 : hard_in_hard) : (i == 0 ? 0.0 : hard_in_easy);
      made.hard_steps.push_back(chance_.of(step, id, i) < share);
    }
    return made;
  }

  Conversation conversation(std::uint64_t id, Instant start) const {
    Conversation made;
    made.id = id;
    made.shape = &measured_.shapes[std::min(measured_.shapes.size() - 1, static_cast<std::size_t>(chance_.of(shape, id) * static_cast<double>(measured_.shapes.size())))];
    made.begins = start + std::chrono::microseconds{static_cast<std::int64_t>(chance_.of(arrival, id) * work_.hours * 3.6e9)};
    made.pasted_bytes = work_.pasted_bytes;
    // Geometric, so that nobody can know when it ends.
    const double ends = 1 / std::max(1.0, work_.turns);
    std::uint64_t number = 0;
    do {
      made.turns.push_back(turn(id, number, work_.loop_scale));
    } while (chance_.of(turn_count, id, ++number) >= ends && number < 200);
    return made;
  }

  Conversation subagent(const Conversation& of, std::uint64_t id, Instant at) const {
    Conversation made;
    made.id = id;
    made.shape = of.shape;
    made.subagent = true;
    made.begins = at;
    made.turns.push_back(turn(id, 0, 1));
    return made;
  }

 private:
  const Work& work_;
  const Measured& measured_;
  Chance chance_;
};

}  // namespace

double Chance::of(std::uint64_t what, std::uint64_t which, std::uint64_t again) const {
  std::uint64_t z = mixed(seed_ + 0x9e3779b97f4a7c15ULL * (what + 1));
  z = mixed(z ^ mixed(which + 0x632be59bd9b4e019ULL));
  z = mixed(z ^ mixed(again + 0x9e6c63d0876a9a47ULL));
  return static_cast<double>(z >> 11U) / 9007199254740992.0;
}

double Chance::spread(double median, double sigma, std::uint64_t what, std::uint64_t which) const {
  const double radius = std::sqrt(-2 * std::log(1 - of(what, which, 1)));
  return median * std::exp(sigma * radius * std::cos(2 * std::numbers::pi * of(what, which, 2)));
}

std::vector<Conversation> traffic(const Work& work, const Measured& measured, Instant start, std::uint64_t seed) {
  const Drawer drawer{work, measured, seed};
  std::vector<Conversation> all;
  std::uint64_t id = 1;
  for (int i = 0; i < work.conversations; ++i) {
    all.push_back(drawer.conversation(id++, start));
    const auto main = all.back();
    auto at = main.begins;
    for (const auto& turn : main.turns) {
      at += std::chrono::seconds{static_cast<std::int64_t>(turn.pause_s) + 30};
      for (int s = 0; s < work.subagents; ++s) all.push_back(drawer.subagent(main, id++, at));
      at += std::chrono::seconds{15 * static_cast<std::int64_t>(turn.hard_steps.size())};
    }
  }
  return all;
}

}  // namespace turnpike::economics
