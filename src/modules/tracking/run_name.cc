#include "modules/tracking/run_name.h"

#include <string_view>

#include "base/format.h"

namespace mk::tracking {
namespace {

constexpr std::string_view kFirst[] = {
    "able",   "amber", "ample",   "azure", "bold",   "brave",  "brief", "bright", "brisk", "calm",
    "candid", "clear", "clever",  "coral", "crisp",  "deep",   "eager", "early",  "exact", "fair",
    "fine",   "firm",  "fleet",   "fresh", "gentle", "golden", "grand", "green",  "hardy", "honest",
    "humble", "jolly", "keen",    "kind",  "lively", "loyal",  "lucid", "mellow", "mild",  "modest",
    "noble",  "olive", "patient", "plain", "polite", "proud",  "quick", "quiet",  "rapid", "ready",
    "robust", "rosy",  "serene",  "sharp", "silver", "smooth", "solid", "steady", "stout", "sunny",
    "swift",  "tidy",  "vivid",   "warm"};
constexpr std::string_view kSecond[] = {
    "ant",   "badger", "bat",    "bear",   "beetle", "bison",  "bream",  "carp",  "cat",   "crane", "crow",
    "deer",  "dove",   "eagle",  "eel",    "elk",    "falcon", "ferret", "finch", "fox",   "frog",  "gecko",
    "goose", "gull",   "hare",   "hawk",   "heron",  "ibis",   "jay",    "kite",  "koala", "lark",  "lemur",
    "lion",  "lizard", "lynx",   "mole",   "moose",  "moth",   "mouse",  "newt",  "otter", "owl",   "panda",
    "perch", "pike",   "plover", "puffin", "quail",  "raven",  "robin",  "seal",  "shrew", "snail", "stork",
    "swan",  "tern",   "tiger",  "toad",   "trout",  "vole",   "whale",  "wolf",  "wren"};

}  // namespace

std::string random_run_name(os::Random& random) {
  return fmt::format("{}-{}-{}", kFirst[random.below(std::size(kFirst))],
                     kSecond[random.below(std::size(kSecond))], random.below(1000));
}

}  // namespace mk::tracking
