#include "app/classifier_state.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "app/account_bench.hpp"
#include "app/classifier_pages.hpp"

namespace turnpike::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "turnpike-classifier-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] fs::path file() const { return path / "classifier.state"; }
  fs::path path;
};

const classify::Classifier& built_in() { return classify::Classifier::built_in(); }

RequestFacts ask(std::string question) {
  RequestFacts facts;
  facts.question = std::move(question);
  return facts;
}

void teach(gateway::Learning& learning, int rounds) {
  for (int i = 0; i < rounds; ++i)
    learning.learn("policy:a", ask("Reconcile the ledger."), {.weak_failed = 1, .strong_right = 1.0F});
}

std::string bytes_of(const fs::path& file) {
  std::ifstream stream{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{stream}, {}};
}

/// Forty gardens and forty ledgers; the weak model fails at one of the two.
std::string rows(bool fails_at_gardens = true) {
  std::string text;
  for (int i = 0; i < 80; ++i) {
    const bool garden = i % 2 == 0;
    text += ordered_json{{"id", std::to_string(i)},
                         {"text", garden ? "List the roses of bed " + std::to_string(i) : "Explain why the ledger disagrees with invoice " + std::to_string(i)},
                         {"learn", {{"weak", garden == fails_at_gardens ? 0 : 1}, {"strong", 1}}}}
                .dump() +
            "\n";
  }
  return text;
}

struct Pages {
  testing::AccountBench bench;
  gateway::Learning learning{built_in()};
  [[nodiscard]] PageSources sources() {
    auto sources = bench.sources();
    sources.learning = &learning;
    return sources;
  }
};

ordered_json json_of(const WholeReply& reply) { return ordered_json::parse(reply.body); }

}  // namespace

TEST_CASE("what was learned survives a restart", "[app][classifier]") {
  const Folder folder;
  gateway::Learning learning{built_in()};
  ClassifierState state{learning, folder.file()};
  state.load();
  CHECK(state.save());
  CHECK_FALSE(fs::exists(folder.file()));  // nothing was learned
  teach(learning, 20);
  REQUIRE(state.save());
  CHECK_FALSE(fs::exists(folder.path / "classifier.state.new"));
  gateway::Learning again{built_in()};
  ClassifierState reloaded{again, folder.file()};
  reloaded.load();
  const auto facts = ask("Reconcile the ledger.");
  CHECK(again.classify("policy:a", facts).score == learning.classify("policy:a", facts).score);
  CHECK(again.classify("policy:a", facts).score > built_in().classify(facts).score);
}

TEST_CASE("it is saved every 30 seconds, if anything was learned", "[app][classifier]") {
  const Folder folder;
  gateway::Learning learning{built_in()};
  ClassifierState state{learning, folder.file()};
  Monotonic now{std::chrono::hours{1}};
  state.on_tick(now);
  teach(learning, 3);
  state.on_tick(now + std::chrono::seconds{29});
  CHECK_FALSE(fs::exists(folder.file()));
  state.on_tick(now + std::chrono::seconds{30});
  REQUIRE(fs::exists(folder.file()));
  fs::remove(folder.file());
  state.on_tick(now + std::chrono::seconds{90});
  CHECK_FALSE(fs::exists(folder.file()));
  teach(learning, 1);
  state.on_tick(now + std::chrono::seconds{120});
  CHECK(fs::exists(folder.file()));
}

TEST_CASE("a damaged file is set aside and learning begins anew", "[app][classifier]") {
  const Folder folder;
  {
    gateway::Learning learning{built_in()};
    ClassifierState state{learning, folder.file()};
    teach(learning, 20);
    REQUIRE(state.save());
  }
  auto bytes = bytes_of(folder.file());
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream{folder.file(), std::ios::binary} << bytes;
  gateway::Learning learning{built_in()};
  ClassifierState state{learning, folder.file()};
  state.load();
  CHECK(learning.report().empty());
  CHECK_FALSE(fs::exists(folder.file()));
  CHECK(bytes_of(folder.path / "classifier.state.damaged") == bytes);
  teach(learning, 1);
  CHECK(state.save());
}

TEST_CASE("a disk that refuses leaves the old file", "[app][classifier]") {
  gateway::Learning learning{built_in()};
  ClassifierState state{learning, "/nonexistent/folder/classifier.state"};
  teach(learning, 1);
  CHECK_FALSE(state.save());
}

TEST_CASE("training tells what the held-out rows say before and after", "[app][classifier]") {
  Pages pages;
  const auto reply = classifier_train_page(pages.sources(), "group=team%3Aacme%2Fsearch", rows());
  REQUIRE(reply.head.status == 200);
  const auto json = json_of(reply);
  CHECK(json["group"] == "team:acme/search");
  CHECK(json["taught"] == 64);
  CHECK(json["held_out"] == 16);
  // Half of the calls recover the whole gap. No frozen scorer has it right both ways round.
  CHECK(json["after"]["model"]["apgr"].get<double>() == Approx(0.75));
  const auto other_way = json_of(classifier_train_page(pages.sources(), "group=key%3Ak", rows(false)));
  CHECK(other_way["after"]["model"]["apgr"].get<double>() == Approx(0.75));
  CHECK(other_way["before"]["model"]["apgr"].get<double>() + json["before"]["model"]["apgr"].get<double>() == Approx(1));
  CHECK(json["after"]["prior"] == json["before"]["prior"]);
  const auto shown = json_of(classifier_page(pages.sources()));
  CHECK(shown["outcomes"]["taught"] == 128);
  CHECK(shown["groups"][1]["known_outcomes"]["pairs"] == 64);
  CHECK(shown["groups"][1]["known_outcomes"]["beats_length"].is_null());
  // Without a group the policy in force is meant.
  const auto policy = json_of(classifier_train_page(pages.sources(), "", rows()));
  CHECK(policy["group"] == "policy:seventy-thirty");
  CHECK(policy["warnings"].empty());
}

TEST_CASE("a group that nobody's requests belong to is taught with a warning", "[app][classifier]") {
  Pages pages;
  const auto warning = [&](const std::string& group) {
    const auto json = json_of(classifier_train_page(pages.sources(), "group=" + group, rows()));
    CHECK(json["taught"] == 64);
    return json["warnings"].empty() ? std::string{} : json["warnings"][0].get<std::string>();
  };
  CHECK(warning("policy:seventy-tirty") == "the policy in force is seventy-thirty, not \"seventy-tirty\": what was taught counts once that is");
  CHECK(warning("key:nobody") == "no key has the id \"nobody\": what was taught counts once there is one");
  CHECK(warning("team:acme/nobody") == "no key is of team \"acme/nobody\": what was taught counts once there is one");
  CHECK(warning("team:acme/nobody").empty());  // it has been taught: it is known
}

TEST_CASE("rows that cannot be learned from are refused with their line, and teach nothing", "[app][classifier]") {
  Pages pages;
  for (const auto& [body, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"", "there is no row"},
           {"{\"text\":\"x\",\"learn\":{\"weak\":0}}\n{\"text\":\"y\"}\n", "line 2"},
           {"\n\nnot json\n", "line 3"},
           {"{\"text\":\"x\",\"learn\":{\"weak\":7}}", "line 1"}}) {
    const auto reply = classifier_train_page(pages.sources(), "group=policy:a", body);
    CHECK(reply.head.status == 400);
    CHECK(json_of(reply)["error"]["message"].get<std::string>().find(wanted) != std::string::npos);
  }
  CHECK(classifier_train_page(pages.sources(), "group=nonsense", rows()).head.status == 400);
  CHECK(pages.learning.report().empty());
}

TEST_CASE("freeze, unfreeze, reset and export act on what they name", "[app][classifier]") {
  Pages pages;
  teach(pages.learning, 20);
  auto frozen = classifier_freeze_page(pages.sources(), R"({"group":"policy:a","frozen":true})");
  CHECK(json_of(frozen)["groups"][0]["frozen"] == true);
  CHECK(classifier_train_page(pages.sources(), "group=policy:a", rows()).head.status == 409);
  CHECK(json_of(classifier_freeze_page(pages.sources(), R"({"frozen":false})"))["groups"][0]["frozen"] == false);
  CHECK(classifier_freeze_page(pages.sources(), R"({"group":"policy:b"})").head.status == 404);
  CHECK(classifier_freeze_page(pages.sources(), R"({"grup":"policy:a"})").head.status == 400);
  const auto exported = json_of(classifier_export_page(pages.sources()));
  CHECK(exported["groups"][0]["weights"]["bias"].get<double>() > 0);
  CHECK(exported["groups"][0]["weights"].contains("error_streak"));
  CHECK(exported["groups"][0]["ngrams_touched"].get<int>() >= 3);
  CHECK(exported["groups"][0]["weak_fails_by_score"].size() == 11);
  CHECK(exported.dump().find("ledger") == std::string::npos);
  CHECK(json_of(classifier_reset_page(pages.sources(), R"({"group":"policy:a"})"))["groups"].empty());
  CHECK(classifier_reset_page(pages.sources(), R"({"group":"policy:a"})").head.status == 404);
  CHECK(classifier_reset_page(pages.sources(), "").head.status == 200);
}

}  // namespace turnpike::app
