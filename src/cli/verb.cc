#include "cli/verb.h"

#include <algorithm>

#include "base/format.h"

namespace mk::cli {
namespace {

void print_overview(const std::vector<Verb>& verbs) {
  fmt::print("modelkit {} - a whole ML platform in one program\n\nusage: modelkit VERB [ARGUMENTS]\n\n",
             MODELKIT_VERSION);
  for (const Verb& verb : verbs)
    if (!verb.internal) fmt::print("  {:<12} {}\n", verb.name, verb.what);
  fmt::print("\nmodelkit VERB --help explains one. Start with: modelkit up\n");
}

void print_help(const Verb& verb) {
  fmt::print("{}\n\nusage: modelkit {}\n", verb.what, verb.usage);
  if (!verb.options.empty()) fmt::print("\n");
  for (const Option& option : verb.options) {
    const std::string left = (option.letter ? fmt::format("-{}, ", option.letter) : std::string("    ")) +
                             option.name + (option.value.empty() ? "" : " " + option.value);
    fmt::print("  {:<30} {}{}\n", left, option.what,
               option.fallback.empty() ? "" : fmt::format(" (default {})", option.fallback));
  }
  if (!verb.examples.empty()) fmt::print("\n{}\n", verb.examples);
}

int report(const Error& error) {
  fmt::print(stderr, "modelkit: {}\n", error.message);
  if (!error.hint.empty()) fmt::print(stderr, "  {}\n", error.hint);
  return error.reason == "usage" ? int{kUsage} : exit_code(error.code);
}

}  // namespace

int exit_code(Code code) {
  switch (code) {
    case Code::kNotFound: return kNotFound;
    case Code::kAlreadyExists:
    case Code::kConflict: return kConflict;
    case Code::kUnauthenticated:
    case Code::kPermissionDenied: return kDenied;
    case Code::kDeadlineExceeded: return kTimeout;
    case Code::kUnavailable: return kServerAway;
    default: return kFailed;
  }
}

int run_program(const std::vector<Verb>& verbs, const std::vector<std::string>& words) {
  if (words.empty() || words[0] == "help" || words[0] == "--help" || words[0] == "-h") {
    print_overview(verbs);
    return words.empty() ? int{kUsage} : int{kOk};
  }
  const std::string name = words[0] == "--version" ? "version" : words[0];
  auto verb = std::find_if(verbs.begin(), verbs.end(), [&](const Verb& v) { return v.name == name; });
  if (verb == verbs.end()) {
    std::vector<std::string> names;
    for (const Verb& v : verbs)
      if (!v.internal) names.push_back(v.name);
    const std::string near = did_you_mean(name, names);
    return report(Error{Code::kInvalidArgument, "usage", fmt::format("there is no verb {}", name)}.with_hint(
        near.empty() ? "modelkit help lists them" : fmt::format("did you mean {}?", near)));
  }
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  for (const std::string& word : rest) {
    if (word == "--") break;
    if (word == "--help" || word == "-h") {
      print_help(*verb);
      return kOk;
    }
  }
  auto arguments = Arguments::parse(verb->options, rest);
  if (!arguments) return report(arguments.error());
  auto code = verb->run(*arguments);
  return code ? *code : report(code.error());
}

}  // namespace mk::cli
