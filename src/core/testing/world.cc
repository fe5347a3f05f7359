#include "core/testing/world.h"

#include <cstdio>
#include <cstdlib>

#include "base/format.h"
#include "base/log.h"
#include "base/yaml.h"
#include "core/bootstrap.h"
#include "core/garbage.h"
#include "core/namespaces.h"

namespace mk::core::testing {
namespace {

const Identity kPerson = Identity::owner_of_this_machine();

// A test's own mistake: there is no point in going on.
[[noreturn]] void stop_test(const std::string& what) {
  std::fprintf(stderr, "test world: %s\n", what.c_str());
  std::abort();
}

}  // namespace

TestWorld::TestWorld() : TestWorld(Options{}) {}

TestWorld::TestWorld(Options options)
    : options_(options),
      executor_(options.seed),
      random_(options.seed * 7919 + 1),
      store_(options.seed * 31 + 2, {}),
      objects_(store_, executor_.clock(), random_),
      late_(options.cluster_like
                ? std::make_unique<LaggyStore>(store_, store_.on_commit, executor_, options.seed * 17 + 3, options.lag)
                : nullptr),
      view_(late_ ? static_cast<store::Store&>(*late_) : store_),
      events_(objects_, "modelkit"),
      reader_(view_),
      writer_(objects_, events_, "test"),
      true_reader_(store_) {
  log::set_level(log::Level::kError);  // failing writes are the point here
  const auto made = make_first_objects(objects_);
  if (!made) stop_test(made.error().sentence());
}

TestWorld::~TestWorld() {
  host_.reset();
  services_.reset();
}

void TestWorld::add(Controller controller) {
  controllers_.push_back(std::move(controller));
}

void TestWorld::start() {
  host_ = std::make_unique<ControllerHost>(view_, reader_, writer_, executor_);
  for (const Controller& controller : controllers_) host_->add(controller);
  host_->start();
  if (!options_.services) return;
  services_ = std::make_unique<ControllerHost>(store_, true_reader_, writer_, executor_);
  services_->add(garbage_collector(objects_));
  services_->add(namespace_controller(objects_));
  services_->start();
}

ControllerHost& TestWorld::host() {
  if (!host_) start();
  return *host_;
}

void TestWorld::run_for(Duration span) {
  host();
  if (options_.cluster_like) store_.faults = options_.faults;
  executor_.run_for(span);
  store_.faults = {};  // people's writes go through
}

void TestWorld::restart() {
  host_.reset();
  services_.reset();
  start();
}

void TestWorld::calm(Duration span) {
  host();
  store_.faults = {};
  executor_.run_for(span);
}

Key TestWorld::key_of(std::string_view resource, std::string_view name) const {
  const kinds::Kind* kind = kinds::find_resource(resource);
  if (!kind) stop_test(fmt::format("no kind {}", resource));
  if (!kind->namespaced) return {std::string(resource), "", std::string(name)};
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return {std::string(resource), "default", std::string(name)};
  return {std::string(resource), std::string(name.substr(0, slash)), std::string(name.substr(slash + 1))};
}

void TestWorld::apply(std::string_view yaml) {
  auto documents = parse_yaml(yaml);
  if (!documents) stop_test(documents.error().sentence());
  for (Json& document : *documents) {
    const kinds::Kind* kind = kinds::find_kind_of(document);
    if (!kind) stop_test("unknown kind in: " + document.dump());
    const std::string space(
        std::as_const(document).at({"metadata", "namespace"}).text(kind->namespaced ? "default" : ""));
    const Key key{kind->resource(), space,
                  std::string(std::as_const(document).at({"metadata", "name"}).text())};
    if (kind->namespaced) document["metadata"]["namespace"] = space;
    auto written = objects_.get(key) ? objects_.update(kPerson, *kind, document)
                                     : objects_.create(kPerson, *kind, space, document);
    if (!written) stop_test(written.error().error.sentence());
  }
}

void TestWorld::change(std::string_view resource, std::string_view name, bool status,
                       const std::function<void(Json&)>& apply) {
  auto written = objects_.modify(kPerson, *kinds::find_resource(resource), key_of(resource, name), status,
                                 [&](Json object) -> Admitted<Json> {
                                   apply(object);
                                   return object;
                                 });
  if (!written) stop_test(written.error().error.sentence());
}

void TestWorld::edit(std::string_view resource, std::string_view name,
                     const std::function<void(Json&)>& apply) {
  change(resource, name, false, apply);
}
void TestWorld::edit_status(std::string_view resource, std::string_view name,
                            const std::function<void(Json&)>& apply) {
  change(resource, name, true, apply);
}

void TestWorld::remove(std::string_view resource, std::string_view name, const RemoveOptions& options) {
  auto removed = objects_.remove(kPerson, *kinds::find_resource(resource), key_of(resource, name), options);
  if (!removed) stop_test(removed.error().error.sentence());
}

Json TestWorld::get(std::string_view resource, std::string_view name) const {
  const ObjectRef object = objects_.get(key_of(resource, name));
  return object ? object->json() : Json();
}

std::vector<Json> TestWorld::list(std::string_view resource) const {
  std::vector<Json> out;
  for (const ObjectRef& object : store_.list({std::string(resource), {}}).objects)
    out.push_back(object->json());
  return out;
}

std::vector<std::string> TestWorld::events(std::string_view name) const {
  std::vector<std::string> out;
  for (const Json& event : list("events")) {
    if (event.at({"involvedObject", "name"}).text() != name) continue;
    out.push_back(fmt::format("{} {}: {} (x{})", event["type"].text(), event["reason"].text(),
                              event["message"].text(), event["count"].integer()));
  }
  return out;
}

}  // namespace mk::core::testing
