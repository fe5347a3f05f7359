#include "api/kubernetes/list_stream.h"

#include <doctest/doctest.h>

#include <future>

#include "api/kubernetes/limits.h"
#include "base/format.h"
#include "net/client.h"
#include "os/executor.h"
#include "store/store.h"

namespace k8s = mk::api::kubernetes;
using mk::Json;

namespace {

constexpr size_t kObjects = 3'000;

// So many objects that the list is far longer than what may wait for one client.
std::vector<mk::store::ObjectRef> many_objects() {
  const auto store = mk::store::open_store({}).value();
  for (size_t i = 0; i < kObjects; ++i) {
    const std::string name = fmt::format("c{}", i);
    mk::store::Txn txn;
    txn.objects.push_back(
        {mk::store::ObjectOp::Kind::kCreate,
         {"configmaps", "default", name},
         Json::object({{"apiVersion", "v1"},
                       {"kind", "ConfigMap"},
                       {"metadata", Json::object({{"name", name}, {"namespace", "default"}, {"uid", name}})},
                       {"data", Json::object({{"pad", std::string(2'000, 'x')}, {"q\"", "\\"}})}}),
         {}});
    (void)store->commit(std::move(txn)).value();
  }
  return store->list({"configmaps", {}}).objects;
}

k8s::Encoder encoder(k8s::Shape shape, k8s::RowObject row_object) {
  return {{mk::kinds::hold(*mk::kinds::find_resource("configmaps")), "v1"},
          {.shape = shape},
          row_object,
          mk::os::system_clock()};
}

}  // namespace

TEST_CASE("kubernetes: a list in parts is the list in one piece") {
  struct Case {
    const char* name;
    k8s::Shape shape;
    k8s::RowObject row_object;
  };
  const k8s::Encoder::Page page{many_objects(), 7, "next", 3};
  for (const Case& c : {Case{"whole", k8s::Shape::kObject, k8s::RowObject::kMetadata},
                        Case{"metadata", k8s::Shape::kPartial, k8s::RowObject::kMetadata},
                        Case{"rows", k8s::Shape::kTable, k8s::RowObject::kMetadata},
                        Case{"rows with objects", k8s::Shape::kTable, k8s::RowObject::kWhole},
                        Case{"rows alone", k8s::Shape::kTable, k8s::RowObject::kNone}}) {
    CAPTURE(c.name);
    const k8s::Encoder how = encoder(c.shape, c.row_object);
    mk::os::SimulatedExecutor executor(1);
    std::string text;
    auto reply = mk::net::Reply::capture([&](mk::net::Response r) { text = std::move(r.body); });
    k8s::ListStream::start(how, page, reply.stream({}), executor);
    executor.run_until_idle();
    CHECK(text == how.list(page));
    const Json list =
        Json::parse(text, {.bytes_max = text.size(), .depth_max = 64, .nodes_max = 1'000'000}).value();
    CHECK(list[c.shape == k8s::Shape::kTable ? "rows" : "items"].size() == kObjects);
    CHECK(list.at({"metadata", "continue"}).text() == "next");
    if (c.shape != k8s::Shape::kTable) continue;
    const Json& row = list["rows"][0];
    CHECK(row["cells"][0].text() == "c0");
    CHECK(row["cells"][1].integer() == 2);
    CHECK(row["object"].at({"metadata", "name"}).text() ==
          (c.row_object == k8s::RowObject::kNone ? "" : "c0"));
    CHECK(row["object"].contains("data") == (c.row_object == k8s::RowObject::kWhole));
  }
}

TEST_CASE("kubernetes: a long list waits for a client that pauses, and ends when the client leaves") {
  const k8s::Encoder how = encoder(k8s::Shape::kObject, k8s::RowObject::kMetadata);
  const k8s::Encoder::Page page{many_objects(), 7, "", 0};
  const std::string wanted = how.list(page);
  REQUIRE(wanted.size() > 4 * k8s::kListQueuedBytesMax);
  const auto executor = mk::os::make_thread_pool(1, "list-test");
  auto server = mk::net::serve({}, [&](mk::net::Request&) {
                  mk::net::Decision decision;
                  decision.whole = [&](mk::net::Request, mk::net::Reply reply) {
                    k8s::ListStream::start(how, page, reply.stream({200, {}, {}}), *executor);
                  };
                  return decision;
                }).value();
  auto client = mk::net::make_client();
  for (const bool leaves : {true, false}) {
    std::string text;
    std::promise<void> paused;
    std::promise<bool> done;
    bool pausing = true;
    const auto call =
        client->start({.host = "127.0.0.1", .port = server->port()}, {.body_bytes_max = wanted.size()},
                      {.head = [](const mk::net::Response&) {},
                       .data =
                           [&](std::string_view bytes) {
                             text += bytes;
                             if (std::exchange(pausing, false)) {
                               paused.set_value();
                               return false;
                             }
                             return true;
                           },
                       .done = [&](mk::Result<void> how_it_ended,
                                   mk::net::Progress) { done.set_value(how_it_ended.has_value()); }});
    paused.get_future().wait();
    if (leaves)
      call->cancel();
    else
      call->resume();
    CHECK(done.get_future().get() == !leaves);
    if (!leaves) CHECK(text == wanted);
  }
  client.reset();
  server.reset();
}
