#include "modules/registry/source.h"

#include <doctest/doctest.h>

#include "modules/registry/names.h"

using namespace mk;
using namespace mk::registry;

TEST_CASE("registry: the four kinds of source") {
  auto run = parse_source("runs:/abc123/model/sub");
  REQUIRE(run);
  CHECK(std::get<RunSource>(*run).run_id == "abc123");
  CHECK(std::get<RunSource>(*run).path.text() == "model/sub");
  CHECK(std::get<RunSource>(*parse_source("runs:/abc123")).path.is_root());
  CHECK(std::get<LoggedSource>(*parse_source("models:/m-0123456789abcdef")).model_id == "m-0123456789abcdef");
  auto version = parse_source("models:/wine quality/12");
  REQUIRE(version);
  CHECK(std::get<VersionSource>(*version).name == "wine quality");
  CHECK(std::get<VersionSource>(*version).version == 12);
  CHECK(std::get<VersionSource>(*parse_source("models:/wine@champion")).alias == "champion");
  CHECK(std::get<VersionSource>(*parse_source("models:/wine/latest")).alias == "latest");
  CHECK(std::get<ArtifactSource>(*parse_source("mlflow-artifacts:/1/abc/artifacts/model")).path.text() ==
        "1/abc/artifacts/model");
  CHECK(std::get<ArtifactSource>(*parse_source("mlflow-artifacts:///1/abc/artifacts/")).path.text() ==
        "1/abc/artifacts");
}

TEST_CASE("registry: sources that name files or addresses are refused") {
  const std::string attacks[] = {
      "file:///etc/",
      "file:/etc/passwd",
      "FILE:///etc",
      "file:etc",
      "/etc/passwd",
      "//etc/passwd",
      "//proc/self/root",
      "etc",
      "./x",
      "..",
      "..\\..\\",
      "C:\\Windows",
      "",
      "http://x/../../",
      "https://169.254.169.254/latest",
      "ftp://x/y",
      "s3://bucket/key",
      "dbfs:/x",
      "gs://x/y",
      "hdfs://x/y",
      "ssh://x",
      "data:text/plain,x",
      "runs:/",
      "runs://abc/model",
      "runs:/abc/../../etc",
      "runs:/../etc",
      "runs:/abc//etc",
      "runs:/abc/%2e%2e/etc",
      "runs:/abc/..%2f",
      "runs:/abc/a\\b",
      "runs:/abc/a;b",
      "runs:/abc/a?b",
      "runs:/abc/#/../..",
      "runs:/abc/a\nb",
      "models:/",
      "models://host/wine/1",
      "models:/wine",
      "models:/wine/0",
      "models:/wine/-1",
      "models:/wine/1/2",
      "models:/wine/1x",
      "models:/../1",
      "models:/wine@",
      "models:/wine@a b",
      "models:/m-",
      "models:/m-x/../..",
      "models:/wine/99999999999999999999",
      "mlflow-artifacts:",
      "mlflow-artifacts:/",
      "mlflow-artifacts://host:1/1/a/artifacts",
      "mlflow-artifacts:/../../etc",
      "mlflow-artifacts:/1/a/artifacts/../../../etc",
      "mlflow-artifacts:/1/%2e%2e/x",
      "mlflow-artifacts:/1/%252e%252e/x",
      "mlflow-artifacts:////etc/passwd",
      "mlflow-artifacts:/1/a\\..\\x",
      "mlflow-artifacts:etc",
  };
  for (const std::string& attack : attacks) {
    CAPTURE(attack);
    auto source = parse_source(attack);
    CHECK_FALSE(source);
    if (!source) CHECK(source.error().code == Code::kInvalidArgument);
  }
  CHECK_FALSE(parse_source(std::string("runs:/abc/a\0b", 12)));
  CHECK_FALSE(parse_source("runs:/abc/" + std::string(1000, 'a')));
}

TEST_CASE("registry: who owns an artifact path") {
  auto owner = [](const char* text) { return owner_of(*blob::Path::parse(text)); };
  CHECK(owner("1/abc/artifacts/model").run_id == "abc");
  CHECK(owner("1/abc/artifacts").run_id == "abc");
  CHECK(owner("1/models/m-1/artifacts/x").model_id == "m-1");
  CHECK(owner("1/models/m-1/artifacts").run_id.empty());
  CHECK(owner("1/abc").run_id.empty());
  CHECK(owner("1/abc/other/x").run_id.empty());
  CHECK(owner("").run_id.empty());
}

TEST_CASE("registry: names") {
  CHECK(check_model_name("wine"));
  CHECK(
      check_model_name("Wein \xc3\xbc"
                       "ber 1.2"));
  for (const char* bad : {"", "  ", "a/b", "a:b", "a\\b", ".", "..", "a\nb", "a\x7f"}) {
    CAPTURE(bad);
    CHECK_FALSE(check_model_name(bad));
  }
  CHECK(check_model_name(std::string(256, 'a')));
  CHECK_FALSE(check_model_name(std::string(257, 'a')));
  CHECK(check_logged_model_name("model_1"));
  CHECK_FALSE(check_logged_model_name("model.1"));
  CHECK(check_new_alias("champion-2_b"));
  for (const char* bad : {"", "a b", "a@b", "latest", "LATEST", "v1", "V22", "\xc3\xbc"}) {
    CAPTURE(bad);
    CHECK_FALSE(check_new_alias(bad));
  }
  CHECK(check_new_alias("v"));
  CHECK(check_new_alias("v1a"));
  CHECK(parse_version("7").value() == 7);
  for (const char* bad : {"", "0", "-1", "1.0", " 1", "1 ", "x", "99999999999999999999"})
    CHECK_FALSE(parse_version(bad));
  CHECK(canonical_stage("production").value() == "Production");
  CHECK_FALSE(canonical_stage("prod"));
  CHECK(shown("a\nb") == "'a?b'");
  CHECK(shown(std::string(119, 'a') + "\xc3\xbc") == "'" + std::string(119, 'a') + "...'");
}
