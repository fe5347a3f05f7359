#include "cli/waiting.h"

#include <time.h>

#include "base/format.h"
#include "os/clock.h"

namespace mk::cli {

const Json& condition_of(const Json& object, std::string_view type) {
  static const Json none;
  for (const Json& condition : object.at({"status", "conditions"}).items())
    if (condition["type"].text() == type) return condition;
  return none;
}

Result<Json> wait_until(const Connection& connection, const std::string& path, const std::string& name,
                        const std::function<bool(const Json&)>& done,
                        const std::function<std::string(const Json&)>& explain, Duration deadline) {
  const Duration start = os::system_clock().monotonic();
  std::string said;
  while (true) {
    MK_TRY(Json object, connection.json(net::Method::kGet, path));
    if (done(object)) return object;
    if (std::string text = explain(object); !text.empty() && text != said) {
      fmt::print(stderr, "  {}\n", text);
      said = std::move(text);
    }
    if (os::system_clock().monotonic() - start > deadline)
      return fail(Error{Code::kDeadlineExceeded, "timeout",
                        fmt::format("{} is not ready after {}: {}", name, human_duration(deadline),
                                    said.empty() ? "nothing was reported" : said)}
                      .with_hint(fmt::format("modelkit describe isvc {} tells more", name)));
    const timespec pause{0, 50'000'000};  // a person waits here; 50 ms is no load and cannot be felt
    nanosleep(&pause, nullptr);
  }
}

}  // namespace mk::cli
