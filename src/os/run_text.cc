#include "os/run_text.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"
#include "os/leftovers.h"
#include "os/shim_protocol.h"

namespace mk::os {
namespace {

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size())
      out += text[++i] == 'n' ? '\n' : text[i];
    else
      out += text[i];
  }
  return out;
}

}  // namespace

std::string escape_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\\')
      out += "\\\\";
    else
      out += c;
  }
  return out;
}

RunLines read_run_lines(std::string_view text, std::string_view header) {
  RunLines values;
  bool first = true;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (first && line != header) return {};
    const size_t space = line.find(' ');
    if (!first && space != std::string_view::npos)
      values.emplace(line.substr(0, space), unescape(line.substr(space + 1)));
    first = false;
  }
  return values;
}

int64_t leading_number(std::string_view text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Result<std::string> write_run_spec(const ProcessSpec& spec) {
  std::string text = fmt::format("{}\npod {}\n", shim::kSpecHeader, escape_line(spec.pod));
  const auto has_nul = [](std::string_view value) { return value.find('\0') != std::string_view::npos; };
  for (const std::string& arg : spec.argv) {
    if (has_nul(arg)) return invalid("a command argument holds a NUL byte");
    text += fmt::format("arg {}\n", escape_line(arg));
  }
  for (const std::string& variable : spec.env) {
    if (has_nul(variable)) return invalid("an environment variable holds a NUL byte");
    text += fmt::format("env {}\n", escape_line(variable));
  }
  text += fmt::format("cwd {}\ngrace_ms {}\nlog_bytes_max {}\nlog_files_max {}\n", escape_line(spec.cwd),
                      spec.grace.ms(), spec.log_bytes_max, spec.log_files_max);
  if (spec.uid) text += fmt::format("uid {}\ngid {}\n", *spec.uid, *spec.uid);
  if (spec.own_pids && spec.beside.empty()) text += "own_pids 1\n";
  if (spec.open_exec) text += "open_exec 1\n";
  for (const std::string& folder : spec.hidden) text += fmt::format("hide {}\n", escape_line(folder));
  for (const auto& mount : spec.mounts)
    text +=
        fmt::format("{} {}\t{}{}{}\n", mount.read_only ? "mount_ro" : "mount_rw", escape_line(mount.source),
                    escape_line(mount.target), mount.beneath.empty() ? "" : "\t", escape_line(mount.beneath));
  for (const auto& limit : spec.limits)
    text += fmt::format("rlimit {} {} {}\n", limit.name, limit.soft, limit.hard);
  if (text.size() > shim::kSpecBytesMax)
    return fail(Code::kTooLarge, "process_spec", "command and environment together are larger than 4 MiB");
  return text;
}

ProcessSpec read_run_spec(std::string_view text) {
  ProcessSpec spec;
  while (!text.empty()) {
    const size_t end = text.find('\n'), space = text.find(' ');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (space >= line.size()) continue;
    const std::string_view key = line.substr(0, space), value = line.substr(space + 1);
    if (key == "pod") spec.pod = unescape(value);
    if (key == "arg") spec.argv.push_back(unescape(value));
    if (key == "env" && !value.starts_with(kMarkName)) spec.env.push_back(unescape(value));
    if (key == "cwd") spec.cwd = unescape(value);
    if (key == "uid") spec.uid = static_cast<uint32_t>(leading_number(value));
    if (key == "hide") spec.hidden.push_back(unescape(value));
    if (key == "own_pids") spec.own_pids = value == "1";
    if (key == "open_exec") spec.open_exec = value == "1";
    const size_t tab = value.find('\t');
    if (key.starts_with("mount_") && tab != std::string_view::npos) {
      const size_t second_tab = std::min(value.find('\t', tab + 1), value.size());
      spec.mounts.push_back({unescape(value.substr(0, tab)),
                             unescape(value.substr(tab + 1, second_tab - tab - 1)), key == "mount_ro",
                             unescape(value.substr(std::min(second_tab + 1, value.size())))});
    }
    const size_t first = value.find(' '), second = value.find(' ', first + 1);
    if (key == "rlimit" && second != std::string_view::npos)
      spec.limits.push_back({std::string(value.substr(0, first)),
                             static_cast<uint64_t>(leading_number(value.substr(first + 1))),
                             static_cast<uint64_t>(leading_number(value.substr(second + 1)))});
  }
  return spec;
}

std::string write_run_groups(const Cgroup& group) {
  std::string text = group.folders.empty() ? "" : "own_cgroup 1\n";
  for (const std::string& folder : group.folders) text += fmt::format("cgroup {}\n", escape_line(folder));
  if (!group.oom_file.empty()) text += fmt::format("oom {}\n", escape_line(group.oom_file));
  return text;
}

std::vector<std::string> read_run_groups(std::string_view text) {
  std::vector<std::string> groups;
  constexpr std::string_view kKey = "\ncgroup ";
  for (size_t at = text.find(kKey); at != text.npos; at = text.find(kKey, at + 1))
    groups.push_back(unescape(text.substr(at + kKey.size(), text.find('\n', at + 1) - at - kKey.size())));
  return groups;
}

ProcessState read_run_exit(std::string_view text) {
  ProcessState state;
  auto values = read_run_lines(text, shim::kExitHeader);
  state.phase = ProcessState::Phase::kExited;
  state.exit_code = static_cast<int>(leading_number(values["code"]));
  state.signal = static_cast<int>(leading_number(values["signal"]));
  state.reason = values.empty() ? "Unknown" : values["reason"];
  state.message = values["message"];
  state.started = {leading_number(values["started"])};
  state.finished = {leading_number(values["finished"])};
  return state;
}

}  // namespace mk::os
