#include "modules/serving/status.h"

#include "base/format.h"

namespace mk::serving {
namespace {

Json condition(const Json& old, std::string_view type, bool value, std::string_view reason, std::string_view message, Time now) {
  const std::string_view status = value ? "True" : "False";
  Json made = Json::object({{"type", type}, {"status", status}, {"lastTransitionTime", now.rfc3339()}});
  if (!value) {
    made["reason"] = reason;
    made["message"] = message;
    made["severity"] = "Info";
  }
  for (const Json& before : old["conditions"].items())
    if (before["type"].text() == type && before["status"].text() == status)
      made["lastTransitionTime"] = before["lastTransitionTime"];
  return made;
}

// The time of a failure is when it was first seen.
Json since_first_seen(Json failure, Time now, const Json& old) {
  const Json& before = old.at({"modelStatus", "lastFailureInfo"});
  failure["time"] = before["message"] == failure["message"] && before.contains("time") ? before["time"] : Json(now.rfc3339());
  return failure;
}

Json failure_info(const Observed& seen, const Decision& decision, Time now, const Json& old) {
  Json info = Json::object({{"reason", "ModelLoadFailed"}, {"message", decision.message}});
  if (!decision.latest_created.empty()) info["modelRevisionName"] = decision.latest_created;
  for (const Revision& revision : seen.revisions) {
    if (revision.name != decision.latest_created || revision.failure.empty()) continue;
    info["location"] = revision.failure.pod;
    if (revision.failure.loading)
      info["exitCode"] = revision.failure.exit_code;
    else
      info["reason"] = "RuntimeUnhealthy";  // no node, no image: the model was never tried
  }
  return since_first_seen(std::move(info), now, old);
}

Json model_status(const Observed& seen, const Decision& decision, Time now, const Json& old) {
  int total = 0;
  for (const Revision& revision : seen.revisions) total += static_cast<int>(revision.ready_endpoints.size());
  const bool serves = !decision.traffic.empty();
  const std::string_view transition = decision.latest_failed ? "BlockedByFailedLoad" : decision.ready ? "UpToDate" : "InProgress";
  const std::string_view target = decision.ready ? "Loaded" : decision.latest_failed ? "FailedToLoad" : "Loading";
  Json status = Json::object(
      {{"transitionStatus", transition},
       {"states", Json::object({{"targetModelState", target}})},
       {"copies", Json::object({{"totalCopies", total}, {"failedCopies", decision.latest_failed ? 1 : 0}})}});
  if (serves) status["states"]["activeModelState"] = "Loaded";
  if (decision.latest_failed) status["lastFailureInfo"] = failure_info(seen, decision, now, old);
  return status;
}

Json predictor_status(const Decision& decision, const Addresses& addresses) {
  Json predictor = Json::object();
  const auto set = [&](std::string_view field, const std::string& value) {
    if (!value.empty()) predictor[field] = value;
  };
  set("latestCreatedRevision", decision.latest_created);
  set("latestReadyRevision", decision.latest_ready);
  set("latestRolledoutRevision", decision.rolled_out);
  set("previousRolledoutRevision", decision.previously_rolled_out);
  for (const Share& share : decision.traffic) {
    Json entry = Json::object({{"revisionName", share.revision}, {"percent", share.percent}, {"latestRevision", share.latest}});
    if (!share.latest) entry["tag"] = "prev";
    predictor["traffic"].push_back(std::move(entry));
  }
  if (!decision.traffic.empty()) {
    predictor["url"] = addresses.host_url;
    predictor["restUrl"] = addresses.host_url;
    predictor["address"] = Json::object({{"url", addresses.url}});
  }
  return predictor;
}

}  // namespace

Json status_for(const Json& service, const Wanted& wanted, const Observed& seen, const Decision& decision,
                const Addresses& addresses, const Json& old, Time now) {
  const bool serves = !decision.traffic.empty();
  Json status = Json::object({{"observedGeneration", service.at({"metadata", "generation"})},
                              {"deploymentMode", "Standard"},
                              {"modelStatus", model_status(seen, decision, now, old)},
                              {"components", Json::object({{"predictor", predictor_status(decision, addresses)}})}});
  const std::string unready = decision.message.empty() ? "nothing answers yet" : decision.message;
  const std::string reason = decision.reason.empty() ? "NotReady" : decision.reason;
  status["conditions"] = Json::array({
      condition(old, "IngressReady", serves, reason, unready, now),
      condition(old, "LatestDeploymentReady", decision.ready, reason, unready, now),
      condition(old, "PredictorReady", decision.ready, reason, unready, now),
      condition(old, "RoutesReady", serves, reason, unready, now),
      condition(old, "Ready", decision.ready && serves, reason, unready, now),
  });
  if (wanted.stopped) status["conditions"].push_back(condition(old, "Stopped", true, "", "", now));
  if (service.at({"spec", "predictor"}).contains("model")) status["servingRuntimeName"] = "modelkit-model-server";
  if (serves) {
    status["url"] = addresses.url;
    status["address"] = Json::object({{"url", addresses.url}});
  }
  return status;
}

Json invalid_status(const Json& service, const Error& error, const Json& old, Time now) {
  Json status = old.is_object() ? old : Json::object();
  status["observedGeneration"] = service.at({"metadata", "generation"});
  status["modelStatus"] = Json::object(
      {{"transitionStatus", "InvalidSpec"},
       {"states", Json::object({{"targetModelState", "FailedToLoad"}})},
       {"lastFailureInfo",
        since_first_seen(Json::object({{"reason", error.reason}, {"message", error.sentence()}}), now, old)}});
  // What served before the change goes on serving, so its routes stay as true as they were.
  Json conditions = Json::array();
  for (std::string_view type : {"IngressReady", "RoutesReady"})
    for (const Json& before : old["conditions"].items())
      if (before["type"].text() == type) conditions.push_back(before);
  for (std::string_view type : {"LatestDeploymentReady", "PredictorReady", "Ready"})
    conditions.push_back(condition(old, type, false, error.reason, error.sentence(), now));
  status["conditions"] = std::move(conditions);
  return status;
}

}  // namespace mk::serving
