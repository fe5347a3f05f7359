// Open-loop load: request i starts at i / RATE seconds whether earlier ones are answered or not, its latency counts from
// that moment, and none is sent twice. Prints one JSON object. Usage:
//   bench_open_loop HOST PORT TARGET RATE SECONDS < bodies, one a line
// Own, because the generators that Debian, PyPI and npm have (wrk, h2load, autocannon) wait for an answer before a
// connection's next request, so a server that stalls slows its own load down.
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/format.h"
#include "base/json.h"
#include "net/client.h"
#include "os/clock.h"

namespace {

using namespace mk;

constexpr Duration kAnswerDeadline = Duration::from_seconds(30);
constexpr double kSlow = 1.0;     // seconds; slower ones are counted apart
constexpr size_t kErrorsKept = 20;

double seconds_since(int64_t begin) {
  return static_cast<double>(os::system_clock().monotonic().nanoseconds - begin) * 1e-9;
}

// The last value of the first output: what tells a model's versions apart.
std::string last_value(std::string_view body) {
  const size_t data = body.find("\"data\":[");
  const size_t end = data == body.npos ? body.npos : body.find(']', data);
  if (end == body.npos) return "?";
  const size_t comma = body.rfind(',', end);
  return std::string(body.substr(comma + 1, end - comma - 1));
}

// What came back. Filled on the client's I/O thread.
struct Tally {
  std::mutex mutex;
  std::vector<double> seconds;                                       // of answers with 200
  std::map<std::pair<std::string, std::string>, uint64_t> answered;  // by revision (its header) and the answer's mark
  std::map<std::string, uint64_t> failed;                            // by why
  uint64_t slow = 0;
  double slowest = 0, slowest_at = 0;
  std::atomic<uint64_t> done = 0;
};

void note(Tally& tally, double began, double took, int status, const std::string& revision, const std::string& body,
          const Result<void>& result) {
  const std::lock_guard lock(tally.mutex);
  if (result && status == 200) {
    ++tally.answered[{revision, last_value(body)}];
    tally.seconds.push_back(took);
  } else if (tally.failed.size() < kErrorsKept) {
    ++tally.failed[result ? fmt::format("{} {}", status, body.substr(0, 300)) : result.error().sentence()];
  } else {
    ++tally.failed["others"];
  }
  if (took > kSlow) ++tally.slow;
  if (took > tally.slowest) {
    tally.slowest = took;
    tally.slowest_at = began;
  }
}

void send(net::Client& client, const net::Endpoint& to, const std::string& target, const std::string& body, int64_t start,
          int64_t due, Tally& tally) {
  struct Answer {
    int status = 0;
    std::string revision, body;
  };
  const auto answer = std::make_shared<Answer>();
  client.start(to,
               {.method = net::Method::kPost,
                .target = target,
                .headers = {{"Content-Type", "application/json"}},
                .body = body,
                .deadline = kAnswerDeadline,
                .deadline_covers_body = true},
               {.head =
                    [answer](net::Response head) {
                      answer->status = head.status;
                      answer->revision = head.headers.get("X-Modelkit-Revision");
                    },
                .data =
                    [answer](std::string_view bytes) {
                      answer->body.append(bytes);
                      return true;
                    },
                .done =
                    [answer, &tally, start, due](Result<void> result, net::Progress) {
                      note(tally, static_cast<double>(due - start) * 1e-9, seconds_since(due), answer->status, answer->revision,
                           answer->body, result);
                      ++tally.done;
                    }});
}

void print(Tally& tally, uint64_t sent, double lateness) {
  const std::lock_guard lock(tally.mutex);
  std::sort(tally.seconds.begin(), tally.seconds.end());
  const auto at = [&](double share) {
    if (tally.seconds.empty()) return 0.0;
    const auto index = static_cast<size_t>(share * static_cast<double>(tally.seconds.size()));
    return tally.seconds[std::min(index, tally.seconds.size() - 1)] * 1e3;
  };
  Json answered = Json::array(), failed = Json::object();
  for (const auto& [key, count] : tally.answered)
    answered.push_back(Json::object({{"revision", key.first}, {"mark", key.second}, {"count", count}}));
  for (const auto& [why, count] : tally.failed) failed[why] = count;
  std::puts(Json::object({{"sent", sent},
                          {"done", tally.done.load()},
                          {"ok", static_cast<uint64_t>(tally.seconds.size())},
                          {"answered", std::move(answered)},
                          {"failed", std::move(failed)},
                          {"slow", tally.slow},
                          {"p50_ms", at(0.5)},
                          {"p99_ms", at(0.99)},
                          {"p999_ms", at(0.999)},
                          {"max_ms", tally.slowest * 1e3},
                          {"max_at_s", tally.slowest_at},
                          {"sender_late_max_ms", lateness * 1e3}})
                .dump()
                .c_str());
}

}  // namespace

int main(int count, char** words) {
  if (count != 6) {
    std::fputs("usage: bench_open_loop HOST PORT TARGET RATE SECONDS < bodies, one a line\n", stderr);
    return 2;
  }
  const net::Endpoint to{.host = words[1], .port = static_cast<uint16_t>(std::atoi(words[2]))};
  const std::string target = words[3];
  const double rate = std::atof(words[4]), seconds = std::atof(words[5]);
  std::vector<std::string> bodies;
  for (std::string line; std::getline(std::cin, line);) bodies.push_back(line);
  if (bodies.empty() || rate <= 0 || rate > 1e6 || seconds <= 0 || seconds > 600) return 2;
  const auto requests = static_cast<uint64_t>(rate * seconds);
  Tally tally;
  tally.seconds.reserve(requests);
  double lateness = 0;
  {
    const auto client = net::make_client({.idle_connections_per_endpoint_max = 1024});
    const int64_t start = os::system_clock().monotonic().nanoseconds;
    for (uint64_t i = 0; i < requests; ++i) {
      const int64_t due = start + static_cast<int64_t>(static_cast<double>(i) / rate * 1e9);
      const timespec until{due / 1'000'000'000, due % 1'000'000'000};
      while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) {
      }
      lateness = std::max(lateness, seconds_since(due));
      send(*client, to, target, bodies[i % bodies.size()], start, due, tally);
    }
    const int64_t end = os::system_clock().monotonic().nanoseconds;
    const timespec pause{0, 10'000'000};
    while (tally.done < requests && seconds_since(end) < kAnswerDeadline.seconds() + 1) ::nanosleep(&pause, nullptr);
  }
  print(tally, requests, lateness);
  return 0;
}
