#include "modules/serving/controller.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"
#include "modules/serving/limits.h"
#include "modules/serving/plan.h"
#include "modules/serving/spec.h"
#include "modules/serving/status.h"

namespace mk::serving {
namespace {

constexpr std::string_view kDeployments = "deployments.apps";

bool is_ready(const Json& pod) {
  if (pod["metadata"].contains("deletionTimestamp")) return false;
  for (const Json& condition : pod.at({"status", "conditions"}).items())
    if (condition["type"].text() == "Ready") return condition["status"].text() == "True";
  return false;
}

// Why a Pod is not getting ready, from its own status; empty while it may just need time.
RevisionFailure failure_of(const Json& pod) {
  RevisionFailure failure{.message = {}, .pod = std::string(pod.at({"metadata", "name"}).text())};
  for (const Json& condition : pod.at({"status", "conditions"}).items())
    if (condition["type"].text() == "PodScheduled" && condition["status"].text() == "False") {
      failure.message = condition["message"].text();
      return failure;
    }
  for (const Json& container : pod.at({"status", "containerStatuses"}).items()) {
    const Json& waiting = container.at({"state", "waiting"});
    const Json& ended = container.at({"state", "terminated"}).is_object() ? container.at({"state", "terminated"})
                                                                          : container.at({"lastState", "terminated"});
    const std::string_view reason = waiting["reason"].text();
    if (reason == "ErrImagePull" || reason == "ImagePullBackOff" || reason == "CreateContainerConfigError" ||
        reason == "CreateContainerError") {
      failure.message = waiting["message"].text(reason);
      return failure;
    }
    if (ended.is_object() && ended["exitCode"].integer() != 0) {
      std::string_view said = ended["message"].text();
      while (said.ends_with('\n')) said.remove_suffix(1);
      failure.loading = true;
      failure.exit_code = static_cast<int>(ended["exitCode"].integer());
      failure.message = said.empty() ? fmt::format("its process ended with exit code {}", failure.exit_code)
                                     : std::string(said.substr(said.rfind('\n') + 1));
      return failure;
    }
  }
  return failure;
}

uint16_t port_of(const Json& pod) {
  const int64_t port = pod.at({"spec", "containers"})[0]["ports"][0]["containerPort"].integer(8080);
  return static_cast<uint16_t>(port);
}

int number_of(std::string_view revision) {
  const std::string_view digits = revision.substr(revision.rfind('-') + 1);
  int number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

class Reconcile {
 public:
  Reconcile(Ports& ports, core::World& world, const store::Object& object)
      : ports_(ports), world_(world), object_(object), service_(object.json()) {}

  Result<core::Again> run() {
    auto wanted = read_wanted(service_);
    if (!wanted) {
      world_.writer.event(object_, "Warning", wanted.error().reason, wanted.error().sentence());
      MK_OK(write_status(invalid_status(service_, wanted.error(), service_["status"], world_.clock.now())));
      return core::Again::never();
    }
    observe();
    const bool exists = std::any_of(seen_.revisions.begin(), seen_.revisions.end(), [&](const Revision& r) {
      return r.predictor_hash == wanted->predictor_hash;
    });
    if (!exists && !wanted->stopped) prepare();
    Decision decision = plan(*wanted, seen_, world_.clock.now());
    // Traffic leaves a revision before the revision is touched.
    MK_OK(publish(decision));
    for (const Action& action : decision.actions) MK_OK(act(*wanted, action));
    // Ready means that requests arrive, not only that the gateway has been told.
    if (const auto waits = decision.ready ? gateway_behind() : std::nullopt) {
      if (*waits < kGatewayPatience) return core::Again::in(std::max(kGatewayPollFirst, Duration{waits->nanoseconds / 4}));
      decision.ready = false;
      decision.reason = "GatewayBehind";
      decision.message = "the gateway does not follow the routes; see the log of modelkit up";
      decision.again = kGatewayPatience;
    }
    MK_OK(report(*wanted, decision));
    return decision.again ? core::Again::in(*decision.again) : core::Again::never();
  }

 private:
  std::optional<Duration> gateway_behind() const {
    return ports_.gateway_behind ? ports_.gateway_behind(fmt::format("{}/{}", space(), name())) : std::nullopt;
  }
  const std::string& space() const { return object_.key.space; }
  const std::string& name() const { return object_.key.name; }

  void observe() {
    for (const auto& owned : world_.reader.owned_by(object_.uid)) {
      if (owned->key.resource != kDeployments) continue;
      const Json deployment = owned->json();
      if (deployment["metadata"].contains("deletionTimestamp")) continue;
      const Json& annotations = deployment.at({"metadata", "annotations"});
      Revision revision{.name = owned->key.name,
                        .number = number_of(owned->key.name),
                        .predictor_hash = std::string(annotations[kHashAnnotation].text()),
                        .replicas_wanted = static_cast<int>(deployment.at({"spec", "replicas"}).integer(1))};
      if (auto idle = Time::parse_rfc3339(annotations[kIdleAnnotation].text())) revision.idle_since = *idle;
      seen_.revisions.push_back(std::move(revision));
    }
    std::sort(seen_.revisions.begin(), seen_.revisions.end(),
              [](const Revision& a, const Revision& b) { return a.number < b.number; });
    for (const auto& pod : world_.reader.list({"pods", space()})) observe_pod(*pod);
    const Json& predictor = service_.at({"status", "components", "predictor"});
    if (ports_.leaving && std::any_of(seen_.revisions.begin(), seen_.revisions.end(),
                                      [](const Revision& revision) { return revision.idle_since.is_set(); })) {
      const auto leaving = ports_.leaving(fmt::format("{}/{}", space(), name()));
      for (Revision& revision : seen_.revisions)
        revision.leaving = std::find(leaving.begin(), leaving.end(), revision.name) != leaving.end();
    }
    seen_.rolled_out = predictor["latestRolledoutRevision"].text();
    seen_.previously_rolled_out = predictor["previousRolledoutRevision"].text();
  }

  void observe_pod(const store::Object& object) {
    const auto label = std::find_if(object.labels.begin(), object.labels.end(),
                                    [](const auto& l) { return l.first == kRevisionLabel; });
    if (label == object.labels.end()) return;
    for (Revision& revision : seen_.revisions) {
      if (revision.name != label->second) continue;
      const Json pod = object.json();
      if (is_ready(pod))
        revision.ready_endpoints.push_back({std::string(pod.at({"status", "podIP"}).text()), port_of(pod)});
      else if (revision.failure.empty())
        revision.failure = failure_of(pod);
    }
  }

  // Everything a new revision needs before its Deployment is written.
  void prepare() {
    if (model_uri(service_).empty()) return;
    auto& preparation = seen_.preparation;
    backing_.engines = ports_.engines;
    auto model = ports_.models.resolve(model_uri(service_));
    if (!model) {
      preparation = {Preparation::State::kFailed, "ModelNotFound", model.error().sentence()};
      return;
    }
    backing_.model = std::move(*model);
    const auto environment = ports_.environments.ensure(backing_.model.folder);
    using Phase = core::Environments::State::Phase;
    if (environment.phase == Phase::kWorking)
      preparation = {Preparation::State::kWorking, "BuildingEnvironment", environment.message};
    else if (environment.phase == Phase::kFailed)
      preparation = {Preparation::State::kFailed, "EnvironmentFailed", environment.message};
    else
      backing_.environment = environment.path;
  }

  Result<void> publish(const Decision& decision) {
    routing::Route route = route_for(space(), name());
    for (const Share& share : decision.traffic)
      for (const Revision& revision : seen_.revisions)
        if (revision.name == share.revision)
          route.backends.push_back({revision.name, share.percent, revision.ready_endpoints});
    return ports_.routes.set(std::move(route));
  }

  Result<void> act(const Wanted& wanted, const Action& action) {
    if (action.kind == Action::Kind::kCreate) {
      MK_OK(world_.writer.create(deployment_for(service_, wanted, action.number, backing_)));
      const std::string what = backing_.model.name.empty()
                                   ? std::string(model_uri(service_))
                                   : fmt::format("models:/{}/{}", backing_.model.name, backing_.model.version);
      world_.writer.event(object_, "Normal", "RevisionCreated",
                          what.empty() ? action.revision : fmt::format("{} serves {}", action.revision, what));
      return {};
    }
    const store::Key key{std::string(kDeployments), space(), action.revision};
    if (action.kind == Action::Kind::kDelete) return world_.writer.remove(key);
    const auto object = world_.reader.get(key);
    if (!object) return {};
    Json deployment = object->json();
    if (action.kind == Action::Kind::kScale)
      deployment["spec"]["replicas"] = action.replicas;
    else if (action.kind == Action::Kind::kMarkIdle)
      deployment["metadata"]["annotations"][kIdleAnnotation] = world_.clock.now().rfc3339_micro();
    else
      deployment["metadata"]["annotations"].erase(kIdleAnnotation);
    MK_OK(world_.writer.update(std::move(deployment)));
    return {};
  }

  Result<void> report(const Wanted& wanted, const Decision& decision) {
    const Json& old = service_["status"];
    const Addresses addresses{
        .url = fmt::format("{}/serving/{}/{}", ports_.gateway_url, space(), name()),
        .host_url = fmt::format("http://{}.{}.localhost{}", name(), space(),
                                ports_.gateway_url.substr(ports_.gateway_url.rfind(':')))};
    Json status = status_for(service_, wanted, seen_, decision, addresses, old, world_.clock.now());
    tell(decision, old);
    return write_status(std::move(status));
  }

  void tell(const Decision& decision, const Json& old) {
    const std::string_view before = old.at({"components", "predictor", "latestRolledoutRevision"}).text();
    if (decision.latest_failed)
      world_.writer.event(object_, "Warning", decision.reason, decision.message);
    else if (decision.rolled_out != before && !decision.rolled_out.empty())
      world_.writer.event(object_, "Normal", "RolledOut",
                          fmt::format("{} answers 100 % of the requests", decision.rolled_out));
  }

  Result<void> write_status(Json status) {
    if (status == service_["status"]) return {};
    service_["status"] = std::move(status);
    MK_OK(world_.writer.update_status(service_));
    return {};
  }

  Ports& ports_;
  core::World& world_;
  const store::Object& object_;
  Json service_;
  Observed seen_;
  Backing backing_;
};

Result<core::Again> reconcile(Ports& ports, core::World& world, const store::Key& key) {
  const auto object = world.reader.get(key);
  if (!object) {
    MK_OK(ports.routes.remove(fmt::format("{}/{}", key.space, key.name)));
    return core::Again::never();
  }
  return Reconcile(ports, world, *object).run();
}

// A Pod wakes the service that its label names.
std::vector<store::Key> service_of_pod(const core::Reader&, const store::Object& pod) {
  for (const auto& [key, value] : pod.labels)
    if (key == kServiceLabel) return {{std::string(kServices), pod.key.space, value}};
  return {};
}

}  // namespace

core::Controller make_controller(Ports ports) {
  return {.name = std::string(kControllerName),
          .resource = std::string(kServices),
          .related = {{std::string(kDeployments), true}, {"pods", false, service_of_pod}},
          .reconcile = [ports](core::World& world, const store::Key& key) mutable { return reconcile(ports, world, key); }};
}

}  // namespace mk::serving
