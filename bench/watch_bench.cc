// How late watchers hear of changes, and what a million changes leave on the disk. Prints Markdown tables.
// Usage:
//   bench_watch inprocess FOLDER [WATCHERS WRITES_A_SECOND SECONDS]    a store of its own
//   bench_watch http PORT [WATCHERS WRITES_A_SECOND SECONDS]           a running modelkit on loopback
//   bench_watch updates FOLDER [UPDATES OBJECTS]                       file size while objects change
// Late is from the moment before a change is sent to the moment at which a watcher has read it.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include "base/format.h"
#include "os/executor.h"
#include "store/store.h"

namespace mk {
namespace {

constexpr size_t kBodyBytes = 1000;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Lateness in nanoseconds; one a watcher, merged at the end.
struct Lateness {
  std::vector<int64_t> all;
  double ms(double share) {
    if (all.empty()) return -1;
    const auto at = static_cast<size_t>(share * static_cast<double>(all.size() - 1));
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(at), all.end());
    return static_cast<double>(all[at]) / 1e6;
  }
};

void report(const char* where, size_t watchers, int rate, size_t writes, Lateness& late, double cpu_us) {
  fmt::print(
      "| watchers {} | watchers | writes /s | events | missing | p50 ms | p99 ms | max ms | CPU us an event "
      "|\n",
      where);
  fmt::print("|---|---|---|---|---|---|---|---|---|\n");
  const size_t wanted = watchers * writes;
  fmt::print("| | {} | {} | {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} |\n", watchers, rate, late.all.size(),
             wanted - std::min(wanted, late.all.size()), late.ms(0.5), late.ms(0.99), late.ms(1.0), cpu_us);
}

Json object(const std::string& name, std::string text, const std::string& pad) {
  return Json::object(
      {{"apiVersion", "v1"},
       {"kind", "ConfigMap"},
       {"metadata", Json::object({{"name", name}, {"namespace", "default"}, {"uid", "u-" + name}})},
       {"data", Json::object({{"pad", pad}, {"t", std::move(text)}})}});
}

store::Txn change(store::ObjectOp::Kind kind, const std::string& name, const std::string& pad) {
  store::Txn txn;
  txn.objects.push_back(
      {kind, {"configmaps", "default", name}, object(name, std::to_string(now_ns()), pad), {}});
  return txn;
}

// Calls `write` `rate` times a second.
void paced(int rate, size_t count, const std::function<void(size_t)>& write) {
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < count; ++i) {
    std::this_thread::sleep_until(start +
                                  std::chrono::nanoseconds(static_cast<int64_t>(i) * 1'000'000'000 / rate));
    write(i);
  }
}

int64_t stamp_in(std::string_view text) {
  constexpr std::string_view kMark = "\"t\":\"";
  const size_t at = text.find(kMark);
  return at == std::string_view::npos ? 0 : std::strtoll(text.data() + at + kMark.size(), nullptr, 10);
}

// ---- in process
// --------------------------------------------------------------------------------------------------

struct Watcher {
  std::unique_ptr<store::Watch> watch;
  std::atomic<bool> scheduled = false;
  std::vector<int64_t> late;
};

int in_process(const std::string& folder, size_t count, int rate, int seconds) {
  store::StoreOptions options;
  options.path = folder + "/watch.db";
  auto store = store::open_store(options).value();
  auto pool = os::make_thread_pool(1, "watchers");
  const std::string pad(kBodyBytes, 'x');
  (void)store->commit(change(store::ObjectOp::Kind::kCreate, "w", pad)).value();
  std::vector<Watcher> watchers(count);
  const size_t writes = static_cast<size_t>(rate) * static_cast<size_t>(seconds);
  for (Watcher& watcher : watchers) {
    watcher.late.reserve(writes);
    const auto drain = [&watcher] {
      watcher.scheduled = false;
      while (true) {
        auto events = watcher.watch->take();
        if (!events || events->empty()) return;
        for (const auto& event : *events) watcher.late.push_back(now_ns() - stamp_in(event.object->body));
      }
    };
    watcher.watch = store
                        ->watch({"configmaps", {}}, store->version(),
                                [&watcher, &pool, drain] {
                                  if (!watcher.scheduled.exchange(true)) pool->post(drain);
                                })
                        .value();
  }
  const double cpu = cpu_seconds();
  paced(rate, writes,
        [&](size_t) { store->submit(change(store::ObjectOp::Kind::kUpdate, "w", pad), nullptr); });
  (void)store->commit({});
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const double used = cpu_seconds() - cpu;
  Lateness late;
  pool.reset();
  for (Watcher& watcher : watchers) late.all.insert(late.all.end(), watcher.late.begin(), watcher.late.end());
  report("in process, durable writes", count, rate, writes, late,
         used * 1e6 / static_cast<double>(late.all.size()));
  return 0;
}

// ---- over HTTP
// ---------------------------------------------------------------------------------------------------

int dial(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) std::exit(1);
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

std::string request(std::string_view method, std::string_view path, std::string_view type,
                    std::string_view body) {
  return fmt::format("{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
                     method, path, type, body.size(), body);
}

// The status of one answer; reads it to its end (all of ours carry a length).
int read_answer(int fd) {
  std::string text;
  char buffer[16384];
  size_t end = std::string::npos, length = 0;
  while (end == std::string::npos || text.size() < end + 4 + length) {
    const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) std::exit(1);
    text.append(buffer, static_cast<size_t>(got));
    if (end == std::string::npos && (end = text.find("\r\n\r\n")) != std::string::npos)
      length = std::strtoul(text.c_str() + text.find("Content-Length: ") + 16, nullptr, 10);
  }
  return std::atoi(text.c_str() + 9);
}

// Reads all watches in one thread; each change's stamp is seen once by each.
void read_watches(const std::vector<int>& sockets, size_t wanted, std::atomic<bool>& stop,
                  std::vector<int64_t>& late) {
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::string> rest(sockets.size());
  for (size_t i = 0; i < sockets.size(); ++i) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    epoll_ctl(poll, EPOLL_CTL_ADD, sockets[i], &event);
  }
  std::vector<char> buffer(1 << 18);
  epoll_event events[64];
  while (!stop && late.size() < wanted) {
    const int ready = epoll_wait(poll, events, 64, 200);
    for (int i = 0; i < ready; ++i) {
      const size_t index = events[i].data.u64;
      const ssize_t got = recv(sockets[index], buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got <= 0) continue;
      const int64_t now = now_ns();
      std::string& text = rest[index];
      text.append(buffer.data(), static_cast<size_t>(got));
      size_t from = 0;
      for (size_t end; (end = text.find('\n', from)) != std::string::npos; from = end + 1)
        if (const int64_t stamp = stamp_in(std::string_view(text).substr(from, end - from)); stamp > 0)
          late.push_back(now - stamp);
      text.erase(0, from);
    }
  }
  close(poll);
}

int over_http(int port, size_t count, int rate, int seconds) {
  constexpr size_t kWriters = 4;
  const std::string space = "/api/v1/namespaces/default/configmaps";
  std::vector<int> writers;
  for (size_t i = 0; i < kWriters; ++i) {
    writers.push_back(dial(port));
    const std::string name = fmt::format("watch-bench-{}", i);
    Json body = object(name, "0", std::string(kBodyBytes, 'x'));
    body["metadata"].erase("uid");
    send_all(writers.back(), request("DELETE", space + "/" + name, "application/json", ""));
    (void)read_answer(writers.back());
    send_all(writers.back(), request("POST", space, "application/json", body.dump()));
    if (read_answer(writers.back()) != 201) return std::fputs("the objects cannot be made\n", stderr), 1;
  }
  std::vector<int> watches;
  for (size_t i = 0; i < count; ++i) {
    watches.push_back(dial(port));
    send_all(watches.back(), fmt::format("GET {}?watch=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", space));
  }
  std::this_thread::sleep_for(std::chrono::seconds(1));  // what there is, comes first; its stamp is 0
  const size_t writes = static_cast<size_t>(rate) * static_cast<size_t>(seconds);
  std::atomic<bool> stop = false;
  Lateness late;
  late.all.reserve(count * writes);
  std::thread reader([&] { read_watches(watches, count * writes, stop, late.all); });
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (size_t w = 0; w < kWriters; ++w)
    threads.emplace_back([&, w] {
      paced(rate / static_cast<int>(kWriters), writes / kWriters, [&](size_t) {
        const std::string body = fmt::format("{{\"data\":{{\"t\":\"{}\"}}}}", now_ns());
        send_all(writers[w], request("PATCH", fmt::format("{}/watch-bench-{}", space, w),
                                     "application/merge-patch+json", body));
        if (read_answer(writers[w]) != 200) ++refused;
      });
    });
  for (std::thread& thread : threads) thread.join();
  std::this_thread::sleep_for(std::chrono::seconds(2));
  stop = true;
  reader.join();
  if (refused > 0) fmt::print("{} writes were refused\n", refused.load());
  report("over HTTP", count, rate, writes / kWriters * kWriters, late, -1);
  for (const int fd : watches) close(fd);
  for (const int fd : writers) close(fd);
  return 0;
}

// ---- on the disk
// -------------------------------------------------------------------------------------------------

double file_mb(const std::string& path) {
  std::error_code none;
  double bytes = 0;
  for (const char* part : {"", "-wal"})
    if (const auto size = std::filesystem::file_size(path + part, none); !none)
      bytes += static_cast<double>(size);
  return bytes / 1e6;
}

int updates(const std::string& folder, size_t count, size_t objects) {
  store::StoreOptions options;
  options.path = folder + "/updates.db";
  auto store = store::open_store(options).value();
  const std::string pad(kBodyBytes, 'x');
  for (size_t i = 0; i < objects; ++i)
    (void)store->commit(change(store::ObjectOp::Kind::kCreate, fmt::format("o{}", i), pad)).value();
  fmt::print("| updates of {} objects of 1 KB | database and log, MB | updates /s since |\n|---|---|---|\n",
             objects);
  double since = static_cast<double>(now_ns());
  size_t last = 0;
  for (size_t i = 0; i <= count; ++i) {
    if (i % (count / 5) == 0) {
      (void)store->commit({});
      const double now = static_cast<double>(now_ns());
      fmt::print("| {} | {:.1f} | {:.0f} |\n", i, file_mb(options.path),
                 static_cast<double>(i - last) / (now - since) * 1e9);
      since = now;
      last = i;
    }
    if (i % 512 == 511)
      (void)store->commit(change(store::ObjectOp::Kind::kUpdate, fmt::format("o{}", i % objects), pad))
          .value();
    else
      store->submit(change(store::ObjectOp::Kind::kUpdate, fmt::format("o{}", i % objects), pad), nullptr);
  }
  return 0;
}

int number(int argc, char** argv, int at, int standard) {
  return argc > at ? std::atoi(argv[at]) : standard;
}

}  // namespace
}  // namespace mk

int main(int argc, char** argv) {
  const std::string_view what = argc > 2 ? argv[1] : "";
  if (what == "inprocess")
    return mk::in_process(argv[2], static_cast<size_t>(mk::number(argc, argv, 3, 1000)),
                          mk::number(argc, argv, 4, 1000), mk::number(argc, argv, 5, 5));
  if (what == "http")
    return mk::over_http(std::atoi(argv[2]), static_cast<size_t>(mk::number(argc, argv, 3, 200)),
                         mk::number(argc, argv, 4, 500), mk::number(argc, argv, 5, 5));
  if (what == "updates")
    return mk::updates(argv[2], static_cast<size_t>(mk::number(argc, argv, 3, 1'000'000)),
                       static_cast<size_t>(mk::number(argc, argv, 4, 1000)));
  std::fputs("usage: bench_watch inprocess FOLDER | http PORT | updates FOLDER\n", stderr);
  return 2;
}
