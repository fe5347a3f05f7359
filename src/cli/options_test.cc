#include "cli/options.h"

#include <doctest/doctest.h>

using namespace mk::cli;

namespace {
const std::vector<Option> kOptions = {{"--port", "N", "", "7070"},
                                      {"--output", "FORMAT", "", "", 'o'},
                                      {"--follow", "", "", "", 'f'},
                                      {"--set", "K=V", "", "", 0, true}};
}

TEST_CASE("options: every way to write one") {
  const auto a = Arguments::parse(kOptions, {"pods", "-ojson", "--port=1", "-f", "web", "--set", "a=1", "--set=b=2", "--", "-x"}).value();
  CHECK(a.words() == std::vector<std::string>{"pods", "web"});
  CHECK(a.text("--output") == "json");
  CHECK(a.integer("--port", 0, 65535).value() == 1);
  CHECK(a.has("--follow"));
  CHECK(a.all("--set") == std::vector<std::string>{"a=1", "b=2"});
  CHECK(a.after_dashes() == std::vector<std::string>{"-x"});
  CHECK(Arguments::parse(kOptions, {}).value().text("--port") == "7070");
}

TEST_CASE("options: a mistake is named, with what was meant") {
  CHECK(Arguments::parse(kOptions, {"--prot", "1"}).error().sentence() ==
        "there is no option --prot; did you mean --port?");
  CHECK(Arguments::parse(kOptions, {"--port"}).error().message == "--port needs a value: N");
  CHECK(Arguments::parse(kOptions, {"--follow=x"}).error().message == "--follow takes no value");
  CHECK(Arguments::parse(kOptions, {"--port", "x"}).value().integer("--port", 0, 9).error().message ==
        "--port takes a number from 0 to 9, not \"x\"");
  CHECK(did_you_mean("dpeloy", {"deploy", "delete", "describe"}) == "deploy");
  CHECK(did_you_mean("zzz", {"deploy", "delete"}).empty());
}
