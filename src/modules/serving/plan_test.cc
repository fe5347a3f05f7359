#include "modules/serving/plan.h"

#include <doctest/doctest.h>

#include "modules/serving/limits.h"

using namespace mk;
using namespace mk::serving;
using Kind = Action::Kind;

namespace {

const Time kNow = Time::from_ms(1'000'000);

Revision revision(int number, std::string hash, bool ready, int replicas = 1) {
  Revision r{.name = revision_name("wine", number), .number = number, .predictor_hash = std::move(hash),
             .replicas_wanted = replicas};
  if (ready) r.ready_endpoints = {{"127.64.0.1", 8080}};
  return r;
}

}  // namespace

TEST_CASE("serving plan: the first revision is made, and takes all traffic once ready") {
  auto decision = plan({.name = "wine", .predictor_hash = "a"}, {}, kNow);
  CHECK(decision.actions == std::vector<Action>{{Kind::kCreate, "wine-predictor-00001", 1, 1}});
  CHECK(decision.traffic.empty());
  CHECK_FALSE(decision.ready);

  decision = plan({.name = "wine", .predictor_hash = "a"}, {.revisions = {revision(1, "a", false)}}, kNow);
  CHECK(decision.actions.empty());
  CHECK(decision.message == "wine-predictor-00001 is starting");

  // A canary share means nothing while there is nobody to share with.
  decision = plan({.name = "wine", .predictor_hash = "a", .canary_percent = 10}, {.revisions = {revision(1, "a", true)}}, kNow);
  CHECK(decision.traffic == std::vector<Share>{{"wine-predictor-00001", 100, true}});
  CHECK(decision.rolled_out == "wine-predictor-00001");
  CHECK(decision.ready);
}

TEST_CASE("serving plan: canary, promotion, and the old revision's way out") {
  Wanted wanted{.name = "wine", .predictor_hash = "b", .canary_percent = 10};
  Observed seen{.revisions = {revision(1, "a", true)}, .rolled_out = "wine-predictor-00001"};
  auto decision = plan(wanted, seen, kNow);
  CHECK(decision.actions == std::vector<Action>{{Kind::kCreate, "wine-predictor-00002", 2, 1}});
  CHECK(decision.traffic == std::vector<Share>{{"wine-predictor-00001", 100, false}});

  seen.revisions.push_back(revision(2, "b", true));
  decision = plan(wanted, seen, kNow);
  CHECK(decision.traffic == std::vector<Share>{{"wine-predictor-00002", 10, true}, {"wine-predictor-00001", 90, false}});
  CHECK(decision.rolled_out == "wine-predictor-00001");
  CHECK(decision.ready);

  wanted.canary_percent.reset();
  decision = plan(wanted, seen, kNow);
  CHECK(decision.traffic == std::vector<Share>{{"wine-predictor-00002", 100, true}});
  CHECK(decision.rolled_out == "wine-predictor-00002");
  CHECK(decision.previously_rolled_out == "wine-predictor-00001");
  CHECK(decision.actions == std::vector<Action>{{Kind::kMarkIdle, "wine-predictor-00001"}});
  CHECK(decision.again == kIdleBeforeScaleDown);

  seen.rolled_out = "wine-predictor-00002";
  seen.revisions[0].idle_since = kNow;
  CHECK(plan(wanted, seen, kNow + 1_s).actions.empty());
  CHECK(plan(wanted, seen, kNow + 5_s).actions == std::vector<Action>{{Kind::kScale, "wine-predictor-00001", 0, 0}});
  seen.revisions[0].leaving = true;  // it has answers to give
  CHECK(plan(wanted, seen, kNow + 5_s).actions.empty());
  CHECK(plan(wanted, seen, kNow + 5_s).again == kLeavingPoll);
  CHECK(plan(wanted, seen, kNow + 301_s).actions == std::vector<Action>{{Kind::kScale, "wine-predictor-00001", 0, 0}});
}

TEST_CASE("serving plan: aborting goes back to the old revision, even after it was scaled down") {
  Wanted wanted{.name = "wine", .predictor_hash = "a"};
  Observed seen{.revisions = {revision(1, "a", true), revision(2, "b", true)}, .rolled_out = "wine-predictor-00001"};
  auto decision = plan(wanted, seen, kNow);
  CHECK(decision.traffic == std::vector<Share>{{"wine-predictor-00001", 100, true}});
  CHECK(decision.actions == std::vector<Action>{{Kind::kMarkIdle, "wine-predictor-00002"}});

  seen = {.revisions = {revision(1, "a", false, 0), revision(2, "b", true)}, .rolled_out = "wine-predictor-00002"};
  decision = plan(wanted, seen, kNow);
  CHECK(decision.actions == std::vector<Action>{{Kind::kScale, "wine-predictor-00001", 0, 1}});
  CHECK(decision.traffic == std::vector<Share>{{"wine-predictor-00002", 100, false}});
}

TEST_CASE("serving plan: a revision that fails leaves the old one serving and says why") {
  Observed seen{.revisions = {revision(1, "a", true), revision(2, "b", false)}, .rolled_out = "wine-predictor-00001"};
  seen.revisions[1].failure.message = "the model does not load: bad magic";
  const auto decision = plan({.name = "wine", .predictor_hash = "b"}, seen, kNow);
  CHECK(decision.traffic == std::vector<Share>{{"wine-predictor-00001", 100, false}});
  CHECK(decision.latest_failed);
  CHECK(decision.message == "wine-predictor-00002: the model does not load: bad magic; wine-predictor-00001 still "
                            "answers 100 % of the requests");
}

TEST_CASE("serving plan: a model that cannot be found makes no revision") {
  Observed seen{.revisions = {revision(1, "a", true)}, .rolled_out = "wine-predictor-00001",
                .preparation = {Preparation::State::kFailed, "ModelNotFound", "the model wine has no version 9"}};
  const auto decision = plan({.name = "wine", .predictor_hash = "b"}, seen, kNow);
  CHECK(decision.actions.empty());
  CHECK(decision.reason == "ModelNotFound");
  CHECK(decision.traffic.size() == 1);
}

TEST_CASE("serving plan: old revisions are bounded") {
  Observed seen{.rolled_out = "wine-predictor-00006"};
  for (int i = 1; i <= 5; ++i) seen.revisions.push_back(revision(i, "h" + std::to_string(i), false, 0));
  seen.revisions.push_back(revision(6, "h6", true));
  const auto decision = plan({.name = "wine", .predictor_hash = "h6"}, seen, kNow);
  CHECK(decision.actions == std::vector<Action>{{Kind::kDelete, "wine-predictor-00003"},
                                                {Kind::kDelete, "wine-predictor-00002"},
                                                {Kind::kDelete, "wine-predictor-00001"}});
}

TEST_CASE("serving plan: a canary whose partner died takes all rather than losing requests") {
  Observed seen{.revisions = {revision(1, "a", false), revision(2, "b", true)}, .rolled_out = "wine-predictor-00001"};
  const auto decision = plan({.name = "wine", .predictor_hash = "b", .canary_percent = 10}, seen, kNow);
  CHECK(decision.traffic == std::vector<Share>{{"wine-predictor-00002", 100, true}});
  CHECK(decision.rolled_out == "wine-predictor-00001");
}
