#include "api/kubernetes/protobuf.h"

#include <doctest/doctest.h>

#include <string>

#include "base/encoding.h"

using mk::Json;
namespace k8s = mk::api::kubernetes;

namespace {
// Bodies that kubectl 1.37.1 sent to a recorder.
struct Recorded {
  const char* command;
  const char* hex;
  const char* json;
};
const Recorded kRecorded[] = {
    {"create namespace team-a",
     "6b3873000a0f0a02763112094e616d657370616365121e0a160a067465616d2d6112001a0022002a0032003800420012001a"
     "020a001a002200",
     R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team-a"}})"},
    {"create configmap settings --from-literal=colour=blue --from-literal=empty=",
     "6b3873000a0f0a0276311209436f6e6669674d617012350a180a0873657474696e677312001a0022002a0032003800420012"
     "0e0a06636f6c6f75721204626c756512090a05656d70747912001a002200",
     R"({"apiVersion":"v1","data":{"colour":"blue","empty":""},"kind":"ConfigMap","metadata":{"name":"settings"}})"},
    {"create secret generic creds",
     "6b3873000a0c0a027631120653656372657412360a150a05637265647312001a0022002a00320038004200120e0a04706173"
     "731206733363723374120b0a04757365721203616e6e1a001a002200",
     R"({"apiVersion":"v1","data":{"pass":"czNjcjN0","user":"YW5u"},"kind":"Secret","metadata":{"name":"creds"}})"},
    {"create deployment web --image=nginx:1 --replicas=0 --port=80",
     "6b3873000a150a07617070732f7631120a4465706c6f796d656e7412ba010a1f0a0377656212001a0022002a003200380042"
     "005a0a0a0361707012037765621288010800120c0a0a0a0361707012037765621a6e0a1c0a0012001a0022002a0032003800"
     "42005a0a0a036170701203776562124e12300a056e67696e7812076e67696e783a312a00320a0a001000185022002a004200"
     "6a007200800100880100900100a201001a00320042004a0052005800600068008201008a01009a0100c2010022020a002800"
     "38001a0c0800100018002000280038001a002200",
     ""},
    {"create job once --image=busybox -- echo hi",
     "6b3873000a0f0a0862617463682f763112034a6f621288010a140a046f6e636512001a0022002a0032003800420012663264"
     "0a100a0012001a0022002a003200380042001250122d0a046f6e6365120762757379626f781a046563686f1a0268692a0042"
     "006a007200800100880100900100a201001a054e65766572320042004a0052005800600068008201008a01009a0100c20100"
     "1a082000280030003a001a002200",
     R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"once"},"spec":{"template":{"spec":{"containers":[{"command":["echo","hi"],"image":"busybox","name":"once"}],"restartPolicy":"Never"}}}})"},
    {"create service clusterip web --tcp=80:8080",
     "6b3873000a0d0a02763112075365727669636512690a1f0a0377656212001a0022002a003200380042005a0a0a0361707012"
     "0377656212420a1b0a0738302d38303830120354435018502207080010903f1a002800120a0a0361707012037765621a0022"
     "09436c757374657249503a00420052005a00600068001a020a001a002200",
     R"({"apiVersion":"v1","kind":"Service","metadata":{"labels":{"app":"web"},"name":"web"},"spec":{"ports":[{"name":"80-8080","port":80,"protocol":"TCP","targetPort":8080}],"selector":{"app":"web"},"type":"ClusterIP"}})"},
    {"auth can-i list pods",
     "6b3873000a320a17617574686f72697a6174696f6e2e6b38732e696f2f7631121753656c665375626a656374416363657373"
     "526576696577123d0a100a0012001a0022002a00320038004200121f0a1d0a0764656661756c7412046c6973741a0022002a"
     "04706f647332003a001a08080012001a0020001a002200",
     R"({"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"namespace":"default","resource":"pods","verb":"list"}}})"},
    {"auth whoami",
     "6b3873000a2d0a1861757468656e7469636174696f6e2e6b38732e696f2f7631121153656c665375626a6563745265766965"
     "77121a0a100a0012001a0022002a0032003800420012060a040a0012001a002200",
     R"({"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"})"},
    {"create quota q --hard=cpu=1,pods=2",
     "6b3873000a130a027631120d5265736f7572636551756f746112300a110a017112001a0022002a0032003800420012190a0a"
     "0a0363707512030a01310a0b0a04706f647312030a01321a001a002200",
     R"({"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q"},"spec":{"hard":{"cpu":"1","pods":"2"}}})"},
};
}  // namespace

TEST_CASE("kubernetes: reads the protobuf bodies of kubectl create") {
  for (const Recorded& recorded : kRecorded) {
    CAPTURE(recorded.command);
    const auto got = k8s::decode_protobuf(mk::hex_decode(recorded.hex).value());
    if (!got) FAIL(got.error().message);
    if (*recorded.json) CHECK(got->dump() == recorded.json);
  }
}

TEST_CASE("kubernetes: an explicit zero of an optional field is kept, an unset field is not") {
  const auto got = k8s::decode_protobuf(mk::hex_decode(kRecorded[3].hex).value()).value();
  const Json& spec = got["spec"];
  CHECK(spec["replicas"].is_int());
  CHECK(spec["replicas"].integer(9) == 0);
  CHECK_FALSE(spec.contains("minReadySeconds"));
  CHECK_FALSE(spec.contains("strategy"));
  CHECK(spec["template"]["spec"]["containers"][0]["ports"][0].dump() == R"({"containerPort":80})");
}

TEST_CASE("kubernetes: a damaged protobuf body is a clear refusal, never a crash") {
  const std::string whole = mk::hex_decode(kRecorded[3].hex).value();
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto got = k8s::decode_protobuf(std::string_view(whole).substr(0, length));
    if (!got) CHECK(got.error().code == mk::Code::kInvalidArgument);
  }
  for (size_t i = 4; i < whole.size(); ++i) {  // every byte flipped in turn
    std::string bent = whole;
    bent[i] = static_cast<char>(bent[i] ^ 0xff);
    const auto got = k8s::decode_protobuf(bent);
    if (!got) CHECK(got.error().code == mk::Code::kInvalidArgument);
  }
  CHECK_FALSE(k8s::decode_protobuf("{}"));
  const std::string unknown = std::string("k8s\0", 4) + "\x0a\x09\x0a\x02v1\x12\x03" + "Foo";
  const auto refused = k8s::decode_protobuf(unknown);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "v1 Foo is not read as protobuf");
}
