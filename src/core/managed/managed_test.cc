#include <doctest/doctest.h>

#include "base/yaml.h"
#include "core/managed/managers.h"

using namespace mk;
using namespace mk::core::managed;

namespace {

Json yaml(const std::string& text) {
  auto parsed = parse_yaml(text);
  REQUIRE(parsed);
  return parsed->empty() ? Json::object() : parsed->front();
}

Json json(std::string_view text) {
  auto parsed = Json::parse(text);
  REQUIRE(parsed);
  return *parsed;
}

// One of each way to merge.
const Json& schema() {
  static const Json kSchema = yaml(R"(
type: object
properties:
  scalar: {type: integer}
  struct: {type: object, properties: {a: {type: string}, b: {type: string}}}
  map: {type: object, additionalProperties: {type: string}}
  maps: {type: object, additionalProperties: {type: object, properties: {x: {type: string}, y: {type: string}}}}
  atomicMap: {type: object, x-kubernetes-map-type: atomic, additionalProperties: {type: string}}
  list: {type: array, items: {type: string}}
  set: {type: array, x-kubernetes-list-type: set, items: {type: string}}
  items:
    type: array
    x-kubernetes-list-type: map
    x-kubernetes-list-map-keys: [name]
    items:
      type: object
      properties:
        name: {type: string}
        value: {type: string}
        other: {type: string}
        tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
  ports:
    type: array
    x-kubernetes-list-type: map
    x-kubernetes-list-map-keys: [port, protocol]
    items:
      type: object
      properties: {port: {type: integer}, protocol: {type: string, default: TCP}, name: {type: string}}
  free: {type: object, x-kubernetes-preserve-unknown-fields: true}
)");
  return kSchema;
}

kinds::Kind thing() {
  kinds::Kind kind;
  kind.group = "tests.modelkit.dev";
  kind.versions = {"v1"};
  kind.kind = "Thing";
  kind.plural = "things";
  kind.status_subresource = false;
  kind.schema = schema();
  return kind;
}

}  // namespace

TEST_CASE("managed: what a config speaks of") {
  struct Case {
    const char* config;
    const char* fields;
  };
  const Case cases[] = {
      {"{scalar: 1}", R"({"f:scalar":{}})"},
      {"{struct: {a: x}}", R"({"f:struct":{"f:a":{}}})"},
      {"{struct: {}}", R"({"f:struct":{}})"},
      {"{map: {k: v, l: w}}", R"({"f:map":{"f:k":{},"f:l":{}}})"},
      {"{map: {}}", R"({"f:map":{}})"},
      {"{maps: {k: {x: v}}}", R"({"f:maps":{"f:k":{".":{},"f:x":{}}}})"},
      {"{atomicMap: {k: v}}", R"({"f:atomicMap":{}})"},
      {"{list: [a, b]}", R"({"f:list":{}})"},
      {"{set: [a, b]}", R"({"f:set":{"v:\"a\"":{},"v:\"b\"":{}}})"},
      {"{set: []}", R"({})"},
      {"{items: [{name: n, value: v}]}",
       R"({"f:items":{"k:{\"name\":\"n\"}":{".":{},"f:name":{},"f:value":{}}}})"},
      {"{ports: [{port: 80}]}",
       R"({"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}})"},
      {"{free: {a: {b: [1]}}}", R"({"f:free":{"f:a":{".":{},"f:b":{".":{}}}}})"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.config);
    auto fields = fields_of(schema(), yaml(c.config));
    REQUIRE(fields);
    // A leaf below a free map is a member by itself: "." and {} are the same there.
    auto wanted = Fields::parse(json(c.fields));
    REQUIRE(wanted);
    CHECK(fields->json().dump() == wanted->json().dump());
    auto again = Fields::parse(fields->json());
    REQUIRE(again);
    CHECK(*again == *fields);
  }
  for (const char* bad : {"{set: [a, a]}", "{items: [{name: n}, {name: n}]}", "{items: [{value: v}]}",
                          "{items: [n]}", "{ports: [{port: 1}, {port: 1, protocol: TCP}]}"}) {
    CAPTURE(bad);
    CHECK_FALSE(fields_of(schema(), yaml(bad)));
  }
}

TEST_CASE("managed: fields read and refuse FieldsV1") {
  auto fields = Fields::parse(json(
      R"({"f:a":{".":{},"f:b":{}},"f:l":{"k:{\"n\":1,\"p\":\"x\"}":{"f:v":{}},"v:\"s\"":{},"i:3":{}}})"));
  REQUIRE(fields);
  CHECK(fields->paths() ==
        std::vector<std::string>{".a", ".a.b", ".l[3]", R"(.l[n=1,p="x"].v)", R"(.l[="s"])"});
  for (const char* bad : {"[]", "1", R"({"a":{}})", R"({"f:a":1})", R"({"x:a":{}})", R"({"f":{}})"}) {
    CAPTURE(bad);
    CHECK_FALSE(Fields::parse(json(bad)));
  }
}

TEST_CASE("managed: set arithmetic") {
  const auto set = [](const char* text) { return Fields::parse(json(text)).value(); };
  const Fields a = set(R"({"f:a":{".":{},"f:b":{}},"f:c":{}})"), b = set(R"({"f:a":{"f:b":{}},"f:d":{}})");
  Fields both = a;
  both.unite(b);
  CHECK(both == set(R"({"f:a":{".":{},"f:b":{}},"f:c":{},"f:d":{}})"));
  Fields rest = a;
  rest.subtract(b);
  CHECK(rest == set(R"({"f:a":{},"f:c":{}})"));
  Fields inner = a;
  inner.subtract(set(R"({"f:a":{}})"));  // the field, not what is below it
  CHECK(inner == set(R"({"f:a":{"f:b":{}},"f:c":{}})"));
  CHECK(a.intersect(b) == set(R"({"f:a":{"f:b":{}}})"));
  CHECK(a.intersect(set("{}")).empty());
}

TEST_CASE("managed: what is different") {
  struct Case {
    const char *old, *now, *added, *modified, *removed;
  };
  const Case cases[] = {
      {"{scalar: 1}", "{scalar: 1}", "{}", "{}", "{}"},
      {"{scalar: 1}", "{scalar: 2}", "{}", R"({"f:scalar":{}})", "{}"},
      {"{}", "{map: {k: v}}", R"({"f:map":{".":{},"f:k":{}}})", "{}", "{}"},
      {"{map: {k: v}}", "{map: {k: w, l: x}}", R"({"f:map":{"f:l":{}}})", R"({"f:map":{"f:k":{}}})", "{}"},
      {"{map: {k: v}}", "{}", "{}", "{}", R"({"f:map":{".":{},"f:k":{}}})"},
      {"{list: [a]}", "{list: [a, b]}", "{}", R"({"f:list":{}})", "{}"},
      {"{set: [a, b]}", "{set: [b, a]}", "{}", "{}", "{}"},
      {"{set: [a, b]}", "{set: [b, c]}", R"({"f:set":{"v:\"c\"":{}}})", "{}", R"({"f:set":{"v:\"a\"":{}}})"},
      {"{items: [{name: a, value: x}, {name: b}]}", "{items: [{name: b, value: y}, {name: a, value: z}]}",
       R"({"f:items":{"k:{\"name\":\"b\"}":{"f:value":{}}}})",
       R"({"f:items":{"k:{\"name\":\"a\"}":{"f:value":{}}}})", "{}"},
      {"{ports: [{port: 80}]}", "{ports: [{port: 80, protocol: TCP}]}",
       R"({"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{"f:protocol":{}}}})", "{}", "{}"},
      {"{atomicMap: {a: x}}", "{atomicMap: {a: x, b: y}}", "{}", R"({"f:atomicMap":{}})", "{}"},
      {"{free: {a: 1}}", "{free: {a: [1]}}", "{}", R"({"f:free":{"f:a":{}}})", "{}"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.old);
    CAPTURE(c.now);
    const Changes changes = compare(schema(), yaml(c.old), yaml(c.now));
    CHECK(changes.added.json() == json(c.added));
    CHECK(changes.modified.json() == json(c.modified));
    CHECK(changes.removed.json() == json(c.removed));
  }
}

TEST_CASE("managed: merging") {
  struct Case {
    const char *live, *config, *merged;
  };
  const Case cases[] = {
      {"{scalar: 1, list: [a]}", "{scalar: 2}", "{scalar: 2, list: [a]}"},
      {"{struct: {a: x}}", "{struct: {b: y}}", "{struct: {a: x, b: y}}"},
      {"{map: {a: x}}", "{map: {b: y}}", "{map: {a: x, b: y}}"},
      {"{atomicMap: {a: x}}", "{atomicMap: {b: y}}", "{atomicMap: {b: y}}"},
      {"{list: [a, b]}", "{list: [c]}", "{list: [c]}"},
      {"{set: [a, b]}", "{set: [c, a]}", "{set: [c, a, b]}"},
      {"{set: [a, b]}", "{set: []}", "{set: [a, b]}"},
      {"{items: [{name: a, value: x}, {name: b}]}", "{items: [{name: b, value: y}]}",
       "{items: [{name: a, value: x}, {name: b, value: y}]}"},
      // The config's order counts; what only the live list has stays where it stood.
      {"{items: [{name: a}, {name: x}, {name: b}]}", "{items: [{name: b}, {name: a}]}",
       "{items: [{name: x}, {name: b}, {name: a}]}"},
      {"{items: [{name: a}, {name: x}, {name: b}]}", "{items: [{name: a}, {name: n}, {name: b}]}",
       "{items: [{name: a}, {name: x}, {name: n}, {name: b}]}"},
      {"{ports: [{port: 80, protocol: TCP, name: a}]}",
       "{ports: [{port: 80, name: b}, {port: 80, protocol: UDP}]}",
       "{ports: [{port: 80, protocol: TCP, name: b}, {port: 80, protocol: UDP}]}"},
      {"{scalar: 1}", "{scalar: {odd: shape}}", "{scalar: {odd: shape}}"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.live);
    CAPTURE(c.config);
    CHECK(merge(schema(), yaml(c.live), yaml(c.config)) == yaml(c.merged));
  }
}

// A play of several writers on one object, as its lines tell.
namespace {

struct Play {
  kinds::Kind kind = thing();
  Json object;
  int64_t second = 0;

  Author author(const char* name) {
    return {name, "tests.modelkit.dev/v1", "", Time::from_ms(++second * 1000)};
  }
  std::string apply(const char* name, const std::string& config, bool force = false) {
    auto applied = managed_apply(name, config, force);
    if (!applied) return "error: " + applied.error().message;
    if (!applied->conflicts.empty()) return conflict_message(applied->conflicts);
    object = std::move(applied->object);
    set(std::move(applied->managed_fields));
    return "";
  }
  Result<Applied> managed_apply(const char* name, const std::string& config, bool force) {
    return mk::core::managed::apply(kind, object, yaml(config), author(name), force);
  }
  void update(const char* name, const std::string& next, const Json& sent = {}) {
    Json now = yaml(next);
    Json list = after_write(kind, object, now, sent, author(name));
    object = std::move(now);
    set(std::move(list));
  }
  void set(Json list) {
    if (list.is_null()) return;
    object["metadata"]["managedFields"] = std::move(list);
  }
  Json body() const {
    Json out = object;
    out.erase("metadata");
    return out;
  }
  // {"A kubectl": fields, "U edit": fields}
  Json owners() const {
    Json out = Json::object(), shown = object;
    write_out(kind, shown);
    for (const Json& entry : shown.at({"metadata", "managedFields"}).items())
      out[std::string(entry["operation"].text().substr(0, 1)) + " " + std::string(entry["manager"].text())] =
          entry["fieldsV1"];
    return out;
  }
};

}  // namespace

TEST_CASE("managed: applying makes, changes and gives up fields") {
  Play play;
  CHECK(play.apply("a", "{map: {x: '1', y: '2'}, scalar: 1}").empty());
  CHECK(play.owners() == json(R"({"A a":{"f:map":{"f:x":{},"f:y":{}},"f:scalar":{}}})"));
  CHECK(play.apply("a", "{map: {x: '3'}}").empty());
  CHECK(play.body() == yaml("{map: {x: '3'}}"));
  CHECK(play.apply("a", "{}").empty());
  CHECK(play.body() == yaml("{}"));
  CHECK(play.object.at({"metadata", "managedFields"}).empty());
}

TEST_CASE("managed: conflicts, force and shared fields") {
  Play play;
  CHECK(play.apply("a", "{map: {x: '1'}}").empty());
  CHECK(play.apply("b", "{map: {x: '1', y: '1'}}").empty());  // the same value: shared
  CHECK(play.apply("b", "{map: {x: '2', y: '1'}}") ==
        R"(Apply failed with 1 conflict: conflict with "a": .map.x)");
  CHECK(play.apply("b", "{map: {x: '2', y: '1'}}", true).empty());
  CHECK(play.owners() == json(R"({"A b":{"f:map":{"f:x":{},"f:y":{}}}})"));
  // Shared fields stay until the last one gives them up.
  CHECK(play.apply("a", "{map: {x: '2'}}").empty());
  CHECK(play.apply("b", "{map: {y: '1'}}").empty());
  CHECK(play.body() == yaml("{map: {x: '2', y: '1'}}"));
  CHECK(play.apply("a", "{}").empty());
  CHECK(play.body() == yaml("{map: {y: '1'}}"));
}

TEST_CASE("managed: updates take fields over and conflict with later applies") {
  Play play;
  CHECK(play.apply("a", "{scalar: 1, map: {x: '1'}}").empty());
  play.update("edit", "{scalar: 5, map: {x: '1'}}");
  CHECK(play.owners() == json(R"({"A a":{"f:map":{"f:x":{}}},"U edit":{"f:scalar":{}}})"));
  CHECK(play.apply("a", "{scalar: 1, map: {x: '2'}}") ==
        R"(Apply failed with 1 conflict: conflict with "edit" using tests.modelkit.dev/v1: .scalar)");
  CHECK(play.apply("a", "{scalar: 5, map: {x: '2'}}").empty());  // agreed
  CHECK(play.owners() == json(R"({"A a":{"f:map":{"f:x":{}},"f:scalar":{}},"U edit":{"f:scalar":{}}})"));
  CHECK(play.apply("a", "{map: {x: '2'}}").empty());  // edit keeps it
  CHECK(play.body() == yaml("{scalar: 5, map: {x: '2'}}"));
  play.update("edit", "{map: {x: '2'}}");
  CHECK(play.owners() == json(R"({"A a":{"f:map":{"f:x":{}}}})"));
}

TEST_CASE("managed: several conflicts are told by manager") {
  Play play;
  CHECK(play.apply("a", "{map: {x: '1', y: '1'}}").empty());
  CHECK(play.apply("b", "{items: [{name: n, value: '1'}]}").empty());
  CHECK(play.apply("c", "{map: {x: '2', y: '2'}, items: [{name: n, value: '2'}]}") ==
        "Apply failed with 3 conflicts: conflicts with \"a\":\n- .map.x\n- .map.y\n"
        "conflicts with \"b\":\n- .items[name=\"n\"].value");
}

TEST_CASE("managed: items of lists") {
  Play play;
  CHECK(play.apply("a", "{items: [{name: x, value: '1'}, {name: y}], set: [p, q]}").empty());
  CHECK(play.apply("b", "{items: [{name: z, value: '1'}], set: [q, r]}").empty());
  CHECK(play.body() ==
        yaml("{items: [{name: x, value: '1'}, {name: y}, {name: z, value: '1'}], set: [p, q, r]}"));
  CHECK(play.apply("a", "{items: [{name: x, value: '1'}], set: [q]}").empty());
  CHECK(play.body() == yaml("{items: [{name: x, value: '1'}, {name: z, value: '1'}], set: [q, r]}"));
  CHECK(play.apply("b", "{items: [{name: x, other: o}], set: [r]}").empty());
  CHECK(play.body() == yaml("{items: [{name: x, value: '1', other: o}], set: [q, r]}"));
  // a gives x up; b still has a field of it and the item itself.
  CHECK(play.apply("a", "{set: [q]}").empty());
  CHECK(play.body() == yaml("{items: [{name: x, other: o}], set: [q, r]}"));
}

TEST_CASE("managed: fields that others filled in go with the parent that is given up") {
  Play play;
  CHECK(play.apply("a", "{struct: {a: x}, items: [{name: n, value: v}]}").empty());
  play.object["struct"]["b"] = "defaulted";
  play.object["items"][0]["other"] = "defaulted";
  CHECK(play.apply("a", "{scalar: 1}").empty());
  CHECK(play.body() == yaml("{scalar: 1}"));
}

TEST_CASE("managed: an object that nobody applied yet") {
  Play play;
  play.object = yaml("{map: {x: '1'}, scalar: 3}");
  CHECK(
      play.apply("a", "{map: {x: '2'}}") ==
      R"(Apply failed with 1 conflict: conflict with "before-first-apply" using tests.modelkit.dev/v1: .map.x)");
  CHECK(play.apply("a", "{map: {x: '1'}}").empty());
  CHECK(
      play.owners() ==
      json(
          R"({"A a":{"f:map":{"f:x":{}}},"U before-first-apply":{"f:map":{".":{},"f:x":{}},"f:scalar":{}}})"));
}

TEST_CASE("managed: writes are recorded from the creation on, or not at all") {
  Play play;
  play.update("creator", "{map: {x: '1'}}");
  CHECK(play.owners() == json(R"({"U creator":{"f:map":{".":{},"f:x":{}}}})"));
  play.update("edit", "{map: {x: '2', y: '1'}, scalar: 1}", play.object.at({"metadata", "managedFields"}));
  CHECK(play.owners() ==
        json(R"({"U creator":{"f:map":{}},"U edit":{"f:map":{"f:x":{},"f:y":{}},"f:scalar":{}}})"));
  play.update("creator", "{map: {x: '3', y: '1'}, scalar: 1}", play.object.at({"metadata", "managedFields"}));
  CHECK(play.owners() ==
        json(R"({"U creator":{"f:map":{".":{},"f:x":{}}},"U edit":{"f:map":{"f:y":{}},"f:scalar":{}}})"));
  play.update("edit", "{scalar: 1}", play.object.at({"metadata", "managedFields"}));
  CHECK(play.owners() == json(R"({"U edit":{"f:scalar":{}}})"));

  Play silent;
  silent.update("", "{map: {x: '1'}}");
  silent.update("edit", "{map: {x: '2'}}");
  CHECK(silent.object.at({"metadata", "managedFields"}).is_null());
}

TEST_CASE("managed: managedFields that the caller sends") {
  Play play;
  CHECK(play.apply("a", "{scalar: 1}").empty());
  const Json before = play.object.at({"metadata", "managedFields"});
  Json now = play.object;
  CHECK(after_write(play.kind, play.object, now, {}, play.author("b")) == before);
  CHECK(after_write(play.kind, play.object, now, Json::array(), play.author("b")) == before);
  CHECK(after_write(play.kind, play.object, now, json(R"([{"manager":"x","operation":"Eat"}])"),
                    play.author("b")) == before);
  CHECK(after_write(play.kind, play.object, now, json("[{}]"), play.author("b")).is_null());
  const Json mine =
      json(R"([{"manager":"x","operation":"Apply","apiVersion":"v1","time":"2026-01-01T00:00:00Z",
        "fieldsType":"FieldsV1","fieldsV1":{"f:scalar":{}}}])");
  CHECK(after_write(play.kind, play.object, now, mine, play.author("b")) == mine);
}

TEST_CASE("managed: the oldest of many updaters are joined") {
  Play play;
  play.update("w0", "{map: {k0: v}}");
  std::string text = "k0: v";
  for (int i = 1; i <= 30; ++i) {
    text += ", k" + std::to_string(i) + ": v";
    play.update(("w" + std::to_string(i)).c_str(), "{map: {" + text + "}}",
                play.object.at({"metadata", "managedFields"}));
  }
  const Json owners = play.owners();
  CHECK(owners.size() == 11);  // who made it is not counted
  CHECK(owners["U ancient-changes"]["f:map"].contains("f:k3"));
  CHECK(owners["U w30"] == json(R"({"f:map":{"f:k30":{}}})"));
}

TEST_CASE("managed: an apply that changes nothing changes no time") {
  Play play;
  CHECK(play.apply("a", "{scalar: 1}").empty());
  auto again = play.managed_apply("a", "{scalar: 1}", false);
  REQUIRE(again);
  CHECK(again->managed_fields != play.object.at({"metadata", "managedFields"}));
  CHECK(same_but_for_time(again->managed_fields, play.object.at({"metadata", "managedFields"})));
}

TEST_CASE("managed: whoever makes an object has what nobody else has, in few bytes") {
  Play play;
  play.update("creator", "{map: {x: '1'}, items: [{name: n, value: v}]}");
  const Json brief = play.object.at({"metadata", "managedFields"});
  CHECK(brief.size() == 1);
  CHECK_FALSE(brief[0].contains("fieldsV1"));
  CHECK(is_brief(play.object.dump()));
  Json shown = play.object;
  write_out(play.kind, shown);
  CHECK_FALSE(is_brief(shown.dump()));
  CHECK(shown["metadata"]["managedFields"][0]["fieldsV1"].contains("f:items"));
  // What a client was shown and sends back says nothing new; a write that changes nothing changes no time.
  const Json& as_shown = shown["metadata"]["managedFields"];
  CHECK(after_write(play.kind, play.object, play.object, as_shown, play.author("creator")) == brief);
  CHECK(after_write(play.kind, play.object, play.object, as_shown, play.author("other")) == brief);
  Json next = play.object;
  next["scalar"] = 1;
  CHECK(
      same_but_for_time(after_write(play.kind, play.object, next, as_shown, play.author("creator")), brief));
  // An apply wants to know each field.
  CHECK(play.apply("a", "{map: {x: '2'}}") ==
        R"(Apply failed with 1 conflict: conflict with "creator" using tests.modelkit.dev/v1: .map.x)");
  CHECK(play.apply("a", "{map: {x: '1'}}").empty());
  CHECK_FALSE(is_brief(play.object.dump()));
  CHECK(play.owners()["U creator"]["f:map"] == json(R"({".":{},"f:x":{}})"));  // shared
  CHECK(play.owners()["A a"] == json(R"({"f:map":{"f:x":{}}})"));
}
