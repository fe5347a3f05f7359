#include "core/access/audit.h"

#include <sys/stat.h>

#include <doctest/doctest.h>

#include <filesystem>

#include "base/json.h"
#include "core/limits.h"
#include "os/files.h"

namespace mk::core {
namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/mk-audit-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { (void)os::remove_all(path); }
  std::string path;
};

TEST_CASE("audit: what leaves a line") {
  struct Case {
    Ask ask;
    bool refused, audited;
  };
  const Case cases[] = {
      {{.verb = "get", .resource = "pods"}, false, false},
      {{.verb = "get", .resource = "pods"}, true, true},
      {{.verb = "create", .resource = "pods"}, false, true},
      {{.verb = "list", .resource = "secrets"}, false, true},
      {{.verb = "update", .group = "mlflow.kubeflow.org", .resource = "runs"}, false, false},
      {{.verb = "create", .group = "mlflow.kubeflow.org", .resource = "registeredmodels"}, false, true},
      {{.verb = "create", .group = "authorization.k8s.io", .resource = "subjectaccessreviews"}, false, false},
      {{.verb = "create", .resource = "serviceaccounts", .subresource = "token"}, false, true},
      {{.verb = "get", .path = "/apis"}, false, false},
      {{.verb = "get", .path = "/apis"}, true, true},
  };
  for (const Case& one : cases) {
    CAPTURE(one.ask.verb);
    CAPTURE(one.ask.resource);
    CHECK(is_audited(one.ask, one.refused) == one.audited);
  }
}

TEST_CASE("audit: lines are written, files are rotated and their number is bounded") {
  const Folder folder;
  os::SimulatedExecutor executor(1);
  {
    auto audit = Audit::open(folder.path + "/audit", executor);
    REQUIRE(audit);
    (*audit)->record({.user = "ada", .verb = "delete", .resource = "pods", .space = "a", .name = "p", .source = "127.0.0.1",
                      .status = 200, .latency = Duration::from_ms(2)});
    executor.run_for(Duration::from_seconds(5));
    const auto text = os::read_file(folder.path + "/audit/audit.log");
    REQUIRE(text);
    const auto line = Json::parse(*text);
    REQUIRE(line);
    CHECK((*line)["user"].text() == "ada");
    CHECK((*line)["latency_us"].integer() == 2000);
    CHECK_FALSE(line->contains("as"));
    // What comes faster than it is written is counted.
    const std::string long_name(limits::kAuditTextBytesMax, 'x');
    const size_t many = limits::kAuditWaitingBytesMax / long_name.size() + 100;
    for (size_t i = 0; i < many; ++i) (*audit)->record({.user = "ada", .verb = "create", .name = long_name});
    (*audit)->flush();
    CHECK(os::read_file(folder.path + "/audit/audit.log")->find("\"dropped\":") != std::string::npos);
    for (int round = 0; round < 160; ++round) {
      for (size_t i = 0; i < many / 2; ++i) (*audit)->record({.user = "ada", .verb = "create", .name = long_name});
      (*audit)->flush();
    }
  }
  const auto names = os::list_folder(folder.path + "/audit");
  CHECK(names.size() == static_cast<size_t>(limits::kAuditFilesMax));
  for (const std::string& name : names) {
    struct stat info{};
    REQUIRE(stat((folder.path + "/audit/" + name).c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    CHECK(static_cast<size_t>(info.st_size) <= limits::kAuditFileBytesMax + limits::kAuditWaitingBytesMax);
  }
}

}  // namespace
}  // namespace mk::core
