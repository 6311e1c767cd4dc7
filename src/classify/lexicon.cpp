#include "classify/lexicon.hpp"

#include <algorithm>
#include <utility>

namespace turnpike::classify {
namespace {

struct WordList {
  WordClass kind;
  std::string_view words;  // lower case, one blank between
};

// Verbs and nouns of work, not of any benchmark. The order matters only where a word is listed
// twice: first wins.
constexpr std::array lists{
    WordList{WordClass::courtesy,
             "hello hi hey dear please kindly thank thanks you your very much could would can help "
             "me with the "
             "following greetings regards sincerely appreciate welcome sorry sir madam"},
    WordList{WordClass::label,
             "answer question response solution problem task input output note hint"},
    WordList{WordClass::negation,
             "not no nor never none neither without except cannot cant dont doesnt isnt arent wont "
             "shouldnt least "
             "incorrect false unlikely"},
    WordList{WordClass::condition,
             "if when unless suppose assume given whether while until otherwise provided such "
             "whenever every each all "
             "must exactly only both either then"},
    WordList{WordClass::quantity,
             "many maximum minimum total probability average percent percentage ratio sum product "
             "integer integers "
             "value values number rate equation function equal equals calculate compute evaluate "
             "determine simplify "
             "estimate largest smallest distance area volume angle"},
    WordList{WordClass::reason,
             "why explain because reason reasons cause causes explanation justify argue evaluate "
             "consider compare "
             "implications consequences pourquoi warum como porque"},
    WordList{WordClass::lookup,
             "who where which whose name called known born capital country city year named wer wo "
             "quien donde"},
    WordList{WordClass::heavy_verb,
             "prove proof design redesign derive diagnose debug investigate architect optimise "
             "optimize refactor "
             "restructure rearchitect analyse analyze reconcile synthesise synthesize parallelise "
             "parallelize migrate "
             "formalise formalize devise reproduce bisect harden decide justify reverse-engineer "
             "untangle rewrite "
             "invent model verify guarantee root-cause"},
    WordList{WordClass::light_verb,
             "list rename show print summarise summarize translate title read open run display say "
             "tell reply count "
             "copy move delete remove add bump format sort spell define repeat echo capitalise "
             "capitalize uppercase "
             "lowercase rephrase convert fix typo typos yes ok continue commit push listen"},
    WordList{WordClass::hard_matter,
             "deadlock deadlocks race races concurrency concurrent consistency consistent atomic "
             "atomicity transaction "
             "transactions isolation linearizable consensus distributed migration downtime "
             "invariant invariants "
             "correctness throughput latency contention back-pressure backpressure starvation "
             "livelock memory-leak "
             "leak corruption scalability scalable fault-tolerant tolerance idempotent rollback "
             "recovery crash "
             "crashes intermittent intermittently flaky nondeterministic security vulnerability "
             "vulnerabilities "
             "cryptographic complexity algorithm architecture tradeoff tradeoffs trade-off "
             "trade-offs asymptotic "
             "theorem lemma bottleneck collapses undefined lost loses power failure failures "
             "simultaneously replicas "
             "partition partitions ordering lock locks lock-free allocator protocol incompatible "
             "compatibility"},
};

struct Slot {
  std::uint64_t signature = 0;
  WordClass kind = WordClass::none;
};

// Open addressing; four times as many slots as words keeps the miss path at one probe.
constexpr std::size_t slot_count = 2048;

consteval std::array<Slot, slot_count> make_table() {
  std::array<Slot, slot_count> table{};
  for (const auto& list : lists) {
    std::size_t begin = 0;
    while (begin < list.words.size()) {
      const std::size_t end = std::min(list.words.find(' ', begin), list.words.size());
      const auto word = list.words.substr(begin, end - begin);
      begin = end + 1;
      // Only words the scanner can yield: joined ones ("root-cause") are left to their parts.
      if (word.find('-') != std::string_view::npos) continue;
      const auto signature = word_signature(word);
      std::size_t at = (signature >> 40U) % slot_count;
      while (table[at].kind != WordClass::none && table[at].signature != signature)
        at = (at + 1) % slot_count;
      if (table[at].kind == WordClass::none) table[at] = {signature, list.kind};
    }
  }
  return table;
}

constexpr auto table = make_table();

}  // namespace

WordClass word_class(std::uint64_t signature) {
  for (std::size_t at = (signature >> 40U) % slot_count; table[at].kind != WordClass::none;
       at = (at + 1) % slot_count) {
    if (table[at].signature == signature) return table[at].kind;
  }
  return WordClass::none;
}

}  // namespace turnpike::classify
