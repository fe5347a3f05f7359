#include "node/prober.h"

namespace mk::node {
namespace {
constexpr size_t kFailuresMax = 16;  // untaken; later ones add nothing new
constexpr std::string_view kNames[] = {"Startup", "Liveness", "Readiness"};
}  // namespace

Health::Health(const Container& container, ProbeRunner::Target target, std::shared_ptr<ProbeRunner> runner,
               std::shared_ptr<os::Executor> executor, std::function<void()> changed)
    : tracks_{{container.startup, {}}, {container.liveness, {}}, {container.readiness, {}}},
      target_(std::move(target)),
      runner_(std::move(runner)),
      executor_(std::move(executor)),
      changed_(std::move(changed)) {}

void Health::begin(bool started, bool ready) {
  const bool known[] = {started, true, ready};
  for (size_t which = 0; which < 3; ++which) {
    Track& track = tracks_[which];
    track.state.counted = executor_->clock().monotonic() + track.probe.delay;
    if (!track.probe || known[which]) track.state.passed = track.state.ever_passed = true;
  }
  if (!tracks_[kStartup].state.passed)
    schedule(kStartup, tracks_[kStartup].probe.delay);
  else
    begin_after_startup();
}

void Health::begin_after_startup() {
  for (const Which which : {kLiveness, kReadiness})
    if (tracks_[which].probe) schedule(which, tracks_[which].probe.delay);
}

void Health::schedule(Which which, Duration wait) {
  executor_->post_after(wait, [weak = weak_from_this(), which] {
    if (auto self = weak.lock()) self->attempt(which);
  });
}

void Health::attempt(Which which) {
  runner_->run(tracks_[which].probe, target_, [weak = weak_from_this(), which](bool ok, std::string message) {
    if (auto self = weak.lock()) self->finish(which, ok, std::move(message));
  });
}

void Health::finish(Which which, bool ok, std::string message) {
  ProbeVerdict verdict;
  bool changed = false, again = true;
  {
    std::lock_guard lock(mutex_);
    Track& track = tracks_[which];
    const ProbeState before = track.state;
    verdict = judge(track.probe, which != kLiveness, track.state, ok, executor_->clock().monotonic());
    if (verdict.report && failures_.size() < kFailuresMax)
      failures_.push_back({kNames[which], std::move(message)});
    changed = before.passed != track.state.passed || before.gave_up != track.state.gave_up || verdict.report;
    if (which == kStartup && track.state.passed) again = false;
    if (which != kReadiness && track.state.gave_up) again = false;
  }
  if (which == kStartup && !again && ok) begin_after_startup();
  if (again) schedule(which, verdict.next);
  if (changed) changed_();
}

bool Health::started() const {
  std::lock_guard lock(mutex_);
  return tracks_[kStartup].state.passed;
}
bool Health::ready() const {
  std::lock_guard lock(mutex_);
  return tracks_[kStartup].state.passed && tracks_[kReadiness].state.passed;
}
bool Health::unhealthy() const {
  std::lock_guard lock(mutex_);
  return tracks_[kStartup].state.gave_up || tracks_[kLiveness].state.gave_up;
}
std::string_view Health::blame() const {
  std::lock_guard lock(mutex_);
  return tracks_[kStartup].state.gave_up ? "startup" : "liveness";
}
std::vector<Health::Failure> Health::take_failures() {
  std::lock_guard lock(mutex_);
  return std::exchange(failures_, {});
}

}  // namespace mk::node
