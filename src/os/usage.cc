#include "os/usage.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "os/files.h"
#include "os/run_text.h"
#include "os/shim_protocol.h"

namespace mk::os {
namespace {

// Fields of a line, by their number from 1.
class Fields {
 public:
  explicit Fields(std::string_view line) {
    while (true) {
      const size_t begin = line.find_first_not_of(' ');
      if (begin == std::string_view::npos) return;
      line.remove_prefix(begin);
      const size_t end = std::min(line.find(' '), line.size());
      fields_.push_back(line.substr(0, end));
      line.remove_prefix(end);
    }
  }
  uint64_t number(size_t field) const {
    if (field < 1 || field > fields_.size()) return 0;
    return static_cast<uint64_t>(std::max<int64_t>(leading_number(fields_[field - 1]), 0));
  }
  size_t size() const { return fields_.size(); }

 private:
  std::vector<std::string_view> fields_;
};

uint64_t kib_of(std::string_view meminfo, std::string_view name) {
  const size_t at = meminfo.find(name);
  if (at == std::string_view::npos) return 0;
  const std::string_view rest = meminfo.substr(at + name.size());
  return Fields(rest.substr(0, rest.find('\n'))).number(1);
}

Duration of_ticks(uint64_t ticks, uint64_t ticks_a_second) {
  return {static_cast<int64_t>(ticks * (1'000'000'000 / ticks_a_second))};
}

uint64_t ticks_a_second() {
  const long ticks = sysconf(_SC_CLK_TCK);
  return ticks > 0 ? static_cast<uint64_t>(ticks) : 100;
}

std::map<int, ProcessFigures> all_processes() {
  std::map<int, ProcessFigures> out;
  for (const std::string& name : list_folder("/proc")) {
    int pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    const auto stat = read_file("/proc/" + name + "/stat");  // it may have ended meanwhile
    if (!stat) continue;
    if (const auto figures = read_process_figures(*stat)) out[pid] = *figures;
  }
  return out;
}

}  // namespace

std::optional<ProcessFigures> read_process_figures(std::string_view stat) {
  const size_t name_end = stat.rfind(')');  // a program's name may hold anything
  if (name_end == std::string_view::npos) return {};
  const Fields fields(stat.substr(name_end + 1));  // the first is what proc(5) counts as the third
  if (fields.size() < 22) return {};
  return ProcessFigures{.parent = static_cast<int>(fields.number(2)),
                        .own_ticks = fields.number(12) + fields.number(13),
                        .ended_ticks = fields.number(14) + fields.number(15),
                        .pages = fields.number(22)};
}

Usage sum_of_tree(int root, const std::map<int, ProcessFigures>& all, uint64_t ticks, uint64_t page_bytes) {
  std::multimap<int, int> children;
  for (const auto& [pid, figures] : all) children.emplace(figures.parent, pid);
  const auto top = all.find(root);
  uint64_t sum = top == all.end() ? 0 : top->second.ended_ticks, pages = 0;
  std::vector<int> waiting{root};
  for (size_t i = 0; i < waiting.size() && waiting.size() <= all.size(); ++i) {
    const auto [begin, end] = children.equal_range(waiting[i]);
    for (auto child = begin; child != end; ++child) {
      const ProcessFigures& figures = all.at(child->second);
      sum += figures.own_ticks + figures.ended_ticks;
      pages += figures.pages;
      waiting.push_back(child->second);
    }
  }
  return {of_ticks(sum, ticks), pages * page_bytes};
}

Usage read_machine_usage(std::string_view stat, std::string_view meminfo, uint64_t ticks) {
  // cpu user nice system idle iowait irq softirq steal guest guest_nice: guests are counted as user already
  const Fields cpu(stat.substr(0, stat.find('\n')));
  uint64_t busy = 0;
  for (const size_t field : {2u, 3u, 4u, 7u, 8u, 9u}) busy += cpu.number(field);
  const uint64_t total = kib_of(meminfo, "MemTotal:"), free = kib_of(meminfo, "MemAvailable:");
  return {of_ticks(busy, ticks), (total > free ? total - free : 0) * 1024};
}

std::map<std::string, Usage> usage_of_runs(const std::vector<std::string>& folders) {
  std::map<std::string, Usage> out;
  if (folders.empty()) return out;
  const std::map<int, ProcessFigures> all = all_processes();
  for (const std::string& folder : folders) {
    if (exists(folder + "/" + shim::kExitFile)) continue;
    auto state = read_run_lines(read_file(folder + "/" + shim::kStateFile).value_or(""), shim::kStateHeader);
    const int supervisor = static_cast<int>(leading_number(state["shim"]));
    if (supervisor > 0 && all.contains(supervisor))
      out[folder] =
          sum_of_tree(supervisor, all, ticks_a_second(), static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  }
  return out;
}

Usage usage_of_machine() {
  return read_machine_usage(read_file("/proc/stat").value_or(""), read_file("/proc/meminfo").value_or(""),
                            ticks_a_second());
}

}  // namespace mk::os
