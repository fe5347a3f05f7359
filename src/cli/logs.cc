// modelkit logs POD | logs isvc/NAME: what a Pod wrote.
#include "base/encoding.h"
#include "base/format.h"
#include "cli/connection.h"
#include "cli/verbs.h"

namespace mk::cli {
namespace {

// The Pods behind "isvc/wine" or "deployment/web"; a plain word is a Pod's name.
Result<std::vector<std::string>> pods_of(const Connection& connection, const std::string& word) {
  const size_t slash = word.find('/');
  if (slash == std::string::npos) return std::vector<std::string>{word};
  MK_TRY(const kinds::Kind* kind, find_kind(word.substr(0, slash)));
  const std::string name = word.substr(slash + 1);
  if (kind->plural == "pods") return std::vector<std::string>{name};
  std::string selector;
  if (kind->plural == "inferenceservices") {
    selector = "serving.kserve.io/inferenceservice=" + name;
  } else {
    MK_TRY(const Json object, connection.json(net::Method::kGet, object_path(*kind, connection.space(), name)));
    for (const auto& [key, value] : object.at({"spec", "selector", "matchLabels"}).members())
      selector += (selector.empty() ? "" : ",") + key + "=" + std::string(value.text());
  }
  MK_TRY(const kinds::Kind* pod_kind, find_kind("pods"));
  MK_TRY(const Json list, connection.json(net::Method::kGet, object_path(*pod_kind, connection.space(), "") + "?labelSelector=" + percent_encode(selector)));
  std::vector<std::string> pods;
  for (const Json& pod : list["items"].items()) pods.emplace_back(pod.at({"metadata", "name"}).text());
  if (pods.empty()) return fail(Code::kNotFound, "no_pods", fmt::format("{} has no pods in namespace {}", word, connection.space()));
  return pods;
}

Result<int> run(const Arguments& arguments) {
  if (arguments.words().size() != 1)
    return fail(Error{Code::kInvalidArgument, "usage", "logs takes one pod"}.with_hint("e.g. modelkit logs isvc/wine"));
  MK_TRY(const Connection connection, Connection::open(arguments));
  MK_TRY(const std::vector<std::string> pods, pods_of(connection, arguments.words()[0]));
  MK_TRY(const kinds::Kind* kind, find_kind("pods"));
  for (const std::string& pod : pods) {
    if (pods.size() > 1) fmt::print(stderr, "==> {}\n", pod);
    std::string query = "?";
    if (arguments.has("--follow")) query += "follow=true&";
    if (arguments.has("--previous")) query += "previous=true&";
    if (arguments.has("--tail")) query += "tailLines=" + percent_encode(arguments.text("--tail"));
    MK_OK(connection.stream(object_path(*kind, connection.space(), pod) + "/log" + query, [](std::string_view bytes) {
      std::fwrite(bytes.data(), 1, bytes.size(), stdout);
      std::fflush(stdout);
    }));
  }
  return kOk;
}

}  // namespace

Verb logs_verb() {
  return {.name = "logs",
          .usage = "logs POD | isvc/NAME | deployment/NAME",
          .what = "print what a pod wrote",
          .options = with_connection({{"--follow", "", "go on as more is written", "", 'f'},
                                      {"--previous", "", "of the life before the last restart", "", 'p'},
                                      {"--tail", "N", "the last N lines"}}),
          .run = run};
}

}  // namespace mk::cli
