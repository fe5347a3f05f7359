#include "modules/serving/plan.h"

#include <algorithm>

#include "base/format.h"
#include "modules/serving/limits.h"

namespace mk::serving {
namespace {

const Revision* find(const std::vector<Revision>& revisions, std::string_view name) {
  for (const Revision& revision : revisions)
    if (revision.name == name) return &revision;
  return nullptr;
}

// The newest revision made from what is wanted now; going back to an earlier predictor finds its old revision.
const Revision* find_wanted(const std::vector<Revision>& revisions, std::string_view hash) {
  for (auto it = revisions.rbegin(); it != revisions.rend(); ++it)
    if (it->predictor_hash == hash) return &*it;
  return nullptr;
}

class Planner {
 public:
  Planner(const Wanted& wanted, const Observed& seen, Time now) : wanted_(wanted), seen_(seen), now_(now) {
    decision_.rolled_out = seen.rolled_out;
    decision_.previously_rolled_out = seen.previously_rolled_out;
  }

  Decision decide() {
    if (wanted_.stopped) {
      for (const Revision& revision : seen_.revisions) act({Action::Kind::kDelete, revision.name});
      return std::move(decision_);
    }
    latest_ = find_wanted(seen_.revisions, wanted_.predictor_hash);
    stable_ = find(seen_.revisions, seen_.rolled_out);
    share_traffic();
    keep_latest();
    keep_others();
    explain();
    return std::move(decision_);
  }

 private:
  void act(Action action) { decision_.actions.push_back(std::move(action)); }

  bool in_traffic(const Revision& revision) const {
    return std::any_of(decision_.traffic.begin(), decision_.traffic.end(),
                       [&](const Share& share) { return share.revision == revision.name && share.percent > 0; });
  }

  void share_traffic() {
    const bool latest_ready = latest_ && latest_->ready();
    const bool stable_ready = stable_ && stable_->ready();
    if (latest_ready && (!stable_ || stable_ == latest_ || wanted_.canary_percent.value_or(100) == 100)) {
      decision_.traffic = {{latest_->name, 100, true}};
      if (stable_ != latest_) {
        decision_.previously_rolled_out = seen_.rolled_out;
        decision_.rolled_out = latest_->name;
      }
    } else if (latest_ready && stable_ready) {
      const int canary = *wanted_.canary_percent;
      decision_.traffic = {{latest_->name, canary, true}, {stable_->name, 100 - canary, false}};
    } else if (stable_ready) {
      decision_.traffic = {{stable_->name, 100, stable_ == latest_}};
    } else if (latest_ready) {
      // The revision that should keep the rest answers nobody: better all to the canary than errors.
      decision_.traffic = {{latest_->name, 100, true}};
    }
  }

  void keep_latest() {
    if (latest_) {
      decision_.latest_created = latest_->name;
      if (latest_->ready()) decision_.latest_ready = latest_->name;
      if (latest_->replicas_wanted != wanted_.replicas)
        act({Action::Kind::kScale, latest_->name, 0, wanted_.replicas});
      if (latest_->idle_since.is_set()) act({Action::Kind::kMarkBusy, latest_->name});
    } else if (seen_.preparation.state == Preparation::State::kReady) {
      const int number = seen_.revisions.empty() ? 1 : seen_.revisions.back().number + 1;
      decision_.latest_created = revision_name(wanted_.name, number);
      act({Action::Kind::kCreate, decision_.latest_created, number, wanted_.replicas});
    }
    if (decision_.latest_ready.empty() && stable_ && stable_->ready()) decision_.latest_ready = stable_->name;
  }

  void keep_others() {
    int kept = 0;
    for (auto it = seen_.revisions.rbegin(); it != seen_.revisions.rend(); ++it) {
      const Revision& revision = *it;
      if (&revision == latest_) continue;
      const bool rolled_out = revision.name == decision_.rolled_out;
      if (rolled_out || in_traffic(revision)) {
        if (revision.idle_since.is_set()) act({Action::Kind::kMarkBusy, revision.name});
        if (revision.replicas_wanted != wanted_.replicas)
          act({Action::Kind::kScale, revision.name, 0, wanted_.replicas});
      } else {
        retire(revision, ++kept);
      }
    }
  }

  void retire(const Revision& revision, int kept) {
    if (revision.replicas_wanted > 0) {
      if (!revision.idle_since.is_set()) {
        act({Action::Kind::kMarkIdle, revision.name});
        decision_.again = kIdleBeforeScaleDown;
      } else if (now_ >= revision.idle_since && now_ - revision.idle_since < kIdleBeforeScaleDown) {
        decision_.again = kIdleBeforeScaleDown - (now_ - revision.idle_since);
      } else if (revision.leaving && now_ - revision.idle_since < kLeavingPatience) {
        decision_.again = kLeavingPoll;
      } else {
        act({Action::Kind::kScale, revision.name, 0, 0});
      }
    } else if (kept > kOldRevisionsKept) {
      act({Action::Kind::kDelete, revision.name});
    }
  }

  void explain() {
    const std::string still =
        stable_ && stable_ != latest_ && in_traffic(*stable_)
            ? fmt::format("; {} still answers {} % of the requests", stable_->name, share_of(stable_->name))
            : std::string();
    if (!latest_ && seen_.preparation.state == Preparation::State::kFailed) {
      not_ready(seen_.preparation.reason, seen_.preparation.message + still);
      decision_.latest_failed = true;
      decision_.again = kRetryResolve;
    } else if (!latest_ && seen_.preparation.state == Preparation::State::kWorking) {
      not_ready(seen_.preparation.reason, seen_.preparation.message + still);
    } else if (!latest_) {
      not_ready("RevisionCreated", fmt::format("{} is being made{}", decision_.latest_created, still));
    } else if (!latest_->failure.empty() && !latest_->ready()) {
      not_ready("RevisionFailed", fmt::format("{}: {}{}", latest_->name, latest_->failure.message, still));
      decision_.latest_failed = true;
    } else if (!latest_->ready()) {
      not_ready("RevisionStarting", fmt::format("{} is starting{}", latest_->name, still));
    } else {
      decision_.ready = true;
    }
  }

  int share_of(std::string_view revision) const {
    for (const Share& share : decision_.traffic)
      if (share.revision == revision) return share.percent;
    return 0;
  }

  void not_ready(std::string reason, std::string message) {
    decision_.reason = std::move(reason);
    decision_.message = std::move(message);
    if (decision_.message.size() > kMessageBytesMax) decision_.message.resize(kMessageBytesMax);
  }

  const Wanted& wanted_;
  const Observed& seen_;
  Time now_;
  const Revision* latest_ = nullptr;  // made from what is wanted; may not exist yet
  const Revision* stable_ = nullptr;  // last rolled out; may be gone
  Decision decision_;
};

}  // namespace

std::string revision_name(std::string_view service, int number) {
  return fmt::format("{}-predictor-{:05}", service, number);
}

Decision plan(const Wanted& wanted, const Observed& seen, Time now) { return Planner(wanted, seen, now).decide(); }

}  // namespace mk::serving
