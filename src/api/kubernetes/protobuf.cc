#include "api/kubernetes/protobuf.h"

#include <bit>
#include <string>

#include "api/kubernetes/fields.h"
#include "api/kubernetes/limits.h"
#include "api/kubernetes/utf8.h"
#include "base/encoding.h"
#include "base/format.h"
#include "base/time.h"

namespace mk::api::kubernetes {
namespace {

Failure broken(std::string_view what) {
  return fail(Code::kInvalidArgument, "bad_protobuf",
              fmt::format("the protobuf body does not decode: {}", what));
}

// One field as it stands on the wire.
struct Wire {
  enum class Type : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  uint32_t number = 0;
  Type type = Type::kVarint;
  uint64_t integer = 0;    // varint and fixed
  std::string_view bytes;  // length-delimited
};

Result<uint64_t> read_varint(std::string_view& in) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (in.empty()) return broken("it ends inside a number");
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
    if (!(byte & 0x80u)) return value;
  }
  return broken("a number is longer than 10 bytes");
}

Result<uint64_t> read_fixed(std::string_view& in, size_t width) {
  if (in.size() < width) return broken("it ends inside a number");
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) value |= uint64_t{static_cast<unsigned char>(in[i])} << (8 * i);
  in.remove_prefix(width);
  return value;
}

Result<Wire> read_field(std::string_view& in) {
  MK_TRY(const uint64_t tag, read_varint(in));
  Wire wire;
  if (tag >> 3 == 0 || tag >> 3 > (1u << 29)) return broken("a field number is out of range");
  wire.number = static_cast<uint32_t>(tag >> 3);
  wire.type = static_cast<Wire::Type>(tag & 7);
  switch (wire.type) {
    case Wire::Type::kVarint: {
      MK_TRY(wire.integer, read_varint(in));
      return wire;
    }
    case Wire::Type::kFixed64: {
      MK_TRY(wire.integer, read_fixed(in, 8));
      return wire;
    }
    case Wire::Type::kFixed32: {
      MK_TRY(wire.integer, read_fixed(in, 4));
      return wire;
    }
    case Wire::Type::kBytes: {
      MK_TRY(const uint64_t length, read_varint(in));
      if (length > in.size()) return broken("it ends inside a field");
      wire.bytes = in.substr(0, length);
      in.remove_prefix(length);
      return wire;
    }
  }
  return broken("a field has an unknown wire type");
}

// Calls `each` for every field of a message.
template <typename Each>
Result<void> for_each_field(std::string_view in, Each each) {
  while (!in.empty()) {
    MK_TRY(const Wire wire, read_field(in));
    MK_OK(each(wire));
  }
  return {};
}

Result<Json> text_of(std::string_view bytes) {
  if (!valid_utf8(bytes)) return broken("a text is not valid UTF-8");
  return Json(bytes);
}

Result<Json> decode_time(std::string_view in) {
  int64_t seconds = 0, nanos = 0;
  bool any = false;
  MK_OK(for_each_field(in, [&](const Wire& wire) -> Result<void> {
    any = true;
    if (wire.number == 1) seconds = static_cast<int64_t>(wire.integer);
    if (wire.number == 2) nanos = static_cast<int64_t>(wire.integer);
    return {};
  }));
  constexpr int64_t kLastSecond = 9'223'372'035;
  if (seconds > kLastSecond || seconds < -kLastSecond || nanos < 0 || nanos > 999'999'999)
    return broken("a time is out of range");
  if (!any) return Json();
  const Time time{seconds * 1'000'000'000 + nanos};
  return Json(nanos == 0 ? time.rfc3339() : time.rfc3339_micro());
}

Result<Json> decode_int_or_string(std::string_view in) {
  uint64_t type = 0;
  int64_t number = 0;
  std::string_view text;
  MK_OK(for_each_field(in, [&](const Wire& wire) -> Result<void> {
    if (wire.number == 1) type = wire.integer;
    if (wire.number == 2) number = static_cast<int64_t>(wire.integer);
    if (wire.number == 3) text = wire.bytes;
    return {};
  }));
  return type == 1 ? text_of(text) : Result<Json>(Json(number));
}

// The bytes of field 1, which is all that Quantity, RawExtension and FieldsV1 have.
Result<std::string_view> first_bytes(std::string_view in) {
  std::string_view out;
  MK_OK(for_each_field(in, [&](const Wire& wire) -> Result<void> {
    if (wire.number == 1) out = wire.bytes;
    return {};
  }));
  return out;
}

Result<Json> decode_list(std::string_view in) {
  Json list = Json::array();
  MK_OK(for_each_field(in, [&](const Wire& wire) -> Result<void> {
    if (wire.number != 1) return {};
    MK_TRY(Json item, text_of(wire.bytes));
    list.push_back(std::move(item));
    return {};
  }));
  return list;
}

// Types whose JSON is not an object of their fields.
Result<Json> decode_special(std::string_view type, std::string_view in) {
  if (type == "meta.Time" || type == "meta.MicroTime") return decode_time(in);
  if (type == "IntOrString") return decode_int_or_string(in);
  if (type == "List") return decode_list(in);
  MK_TRY(const std::string_view bytes, first_bytes(in));
  if (type == "Quantity") return text_of(bytes);
  if (bytes.empty()) return Json();
  return Json::parse(bytes, kBodyLimits);  // RawExtension, FieldsV1
}

bool is_zero(const Json& value) {
  if (value.is_null()) return true;
  if (value.is_bool()) return !value.boolean();
  if (value.is_number()) return value.number() == 0;
  if (value.is_string()) return value.text().empty();
  return value.empty();
}

class Decoder {
 public:
  Result<Json> message(std::string_view in, const Message& message, size_t depth) {
    Json out = Json::object();
    MK_OK(fill(out, in, message, depth));
    return out;
  }

 private:
  Result<void> fill(Json& out, std::string_view in, const Message& message, size_t depth) {
    if (depth > kProtobufDepthMax)
      return broken(fmt::format("it is nested deeper than {}", kProtobufDepthMax));
    return for_each_field(in, [&](const Wire& wire) -> Result<void> {
      const Field* field = message.by_number(wire.number);
      if (!field) return {};  // newer clients may know more fields than we do
      if (++values_ > kBodyLimits.nodes_max) return broken("it has too many values");
      if (field->inlined) return fill(out, wire.bytes, *field->message, depth + 1);
      return add(out, wire, *field, depth);
    });
  }

  Result<void> add(Json& out, const Wire& wire, const Field& field, size_t depth) {
    switch (field.shape) {
      case Field::Shape::kSingle: {
        MK_TRY(Json one, value(wire, field, depth));
        // A field that is no pointer is on the wire even when it was never set.
        if (!field.pointer && is_zero(one)) return {};
        if (!one.is_null()) out[field.name] = std::move(one);
        return {};
      }
      case Field::Shape::kRepeated: {
        Json& list = out[field.name];
        if (list.is_null()) list = Json::array();
        if (wire.type == Wire::Type::kBytes && field.type == "i") return add_packed(list, wire.bytes);
        MK_TRY(Json one, value(wire, field, depth));
        list.push_back(std::move(one));
        return {};
      }
      case Field::Shape::kMap:
        return add_entry(out[field.name], wire, field, depth);
    }
    return {};
  }

  Result<void> add_packed(Json& list, std::string_view in) {
    while (!in.empty()) {
      if (++values_ > kBodyLimits.nodes_max) return broken("it has too many values");
      MK_TRY(const uint64_t number, read_varint(in));
      list.push_back(Json(static_cast<int64_t>(number)));
    }
    return {};
  }

  Result<void> add_entry(Json& map, const Wire& wire, const Field& field, size_t depth) {
    Json key(""), entry;
    if (field.type == "s") entry = Json("");
    MK_OK(for_each_field(wire.bytes, [&](const Wire& part) -> Result<void> {
      if (part.number == 1) {
        MK_TRY(key, text_of(part.bytes));
      } else if (part.number == 2) {
        MK_TRY(entry, value(part, field, depth));
      }
      return {};
    }));
    map[key.text()] = std::move(entry);
    return {};
  }

  Result<Json> value(const Wire& wire, const Field& field, size_t depth) {
    const bool is_text = field.type != "b" && field.type != "i" && field.type != "d";
    if (is_text != (wire.type == Wire::Type::kBytes))
      return broken(fmt::format("field {} has the wrong wire type", field.name));
    if (field.type == "s") return text_of(wire.bytes);
    if (field.type == "b") return Json(wire.integer != 0);
    if (field.type == "i") return Json(static_cast<int64_t>(wire.integer));
    if (field.type == "d") return Json(std::bit_cast<double>(wire.integer));
    if (field.type == "y") return Json(base64_encode(wire.bytes));
    if (field.message) return message(wire.bytes, *field.message, depth + 1);
    return decode_special(field.type, wire.bytes);
  }

  size_t values_ = 0;
};

// runtime.Unknown: what the envelope holds.
struct Envelope {
  std::string_view api_version, kind, raw, encoding, content_type;
};

Result<Envelope> read_envelope(std::string_view bytes) {
  Envelope out;
  MK_OK(for_each_field(bytes, [&](const Wire& wire) -> Result<void> {
    if (wire.number == 2) out.raw = wire.bytes;
    if (wire.number == 3) out.encoding = wire.bytes;
    if (wire.number == 4) out.content_type = wire.bytes;
    if (wire.number != 1) return {};
    return for_each_field(wire.bytes, [&](const Wire& part) -> Result<void> {
      if (part.number == 1) out.api_version = part.bytes;
      if (part.number == 2) out.kind = part.bytes;
      return {};
    });
  }));
  return out;
}

}  // namespace

Result<Json> decode_protobuf(std::string_view bytes) {
  constexpr std::string_view kMagic{"k8s\0", 4};
  if (!bytes.starts_with(kMagic)) return broken("it does not start with the k8s envelope");
  MK_TRY(const Envelope envelope, read_envelope(bytes.substr(kMagic.size())));
  if (!envelope.encoding.empty()) return broken("its content encoding is not supported");
  if (!valid_utf8(envelope.api_version) || !valid_utf8(envelope.kind))
    return broken("its kind is not valid UTF-8");
  Json out;
  if (envelope.content_type == "application/json") {
    MK_TRY(out, Json::parse(envelope.raw, kBodyLimits));
    if (!out.is_object()) return broken("the JSON inside is no object");
  } else {
    const size_t slash = envelope.api_version.find('/');
    const std::string_view group =
        slash == std::string_view::npos ? std::string_view() : envelope.api_version.substr(0, slash);
    const std::string_view version =
        std::string_view(envelope.api_version).substr(slash == std::string_view::npos ? 0 : slash + 1);
    const Message* message = message_of_kind(group, envelope.kind, version);
    if (!message && envelope.kind == "DeleteOptions") message = find_message("meta.DeleteOptions");
    if (!message)
      return fail(Error{Code::kInvalidArgument, "unsupported_media_type",
                        fmt::format("{} {} is not read as protobuf", envelope.api_version, envelope.kind),
                        "send application/json"});
    MK_TRY(out, Decoder().message(envelope.raw, *message, 1));
  }
  out["apiVersion"] = Json(envelope.api_version);
  out["kind"] = Json(envelope.kind);
  return out;
}

}  // namespace mk::api::kubernetes
