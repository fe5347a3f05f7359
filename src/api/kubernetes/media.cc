#include "api/kubernetes/media.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "api/kubernetes/go_words.h"
#include "api/kubernetes/limits.h"
#include "api/kubernetes/protobuf.h"
#include "api/kubernetes/status.h"
#include "base/format.h"
#include "base/json_duplicates.h"
#include "base/yaml.h"

namespace mk::api::kubernetes {
namespace {

constexpr std::string_view kReadable =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf";

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view cut(std::string_view& text, char end) {
  const size_t at = text.find(end);
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return trim(head);
}

struct Range {
  std::string type;
  std::string_view as, group, version;
  double quality = 1;
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::vector<Range> parse_accept(std::string_view accept) {
  std::vector<Range> ranges;
  while (!accept.empty()) {
    std::string_view rest = cut(accept, ',');
    Range range{.type = lower(cut(rest, ';'))};
    while (!rest.empty()) {
      std::string_view parameter = cut(rest, ';');
      const std::string_view name = cut(parameter, '=');
      if (name == "as") range.as = parameter;
      if (name == "g") range.group = parameter;
      if (name == "v") range.version = parameter;
      if (name == "q") {
        const auto [end, error] =
            std::from_chars(parameter.data(), parameter.data() + parameter.size(), range.quality);
        if (error != std::errc()) range.quality = 0;
      }
    }
    // Only few ranges ever come; an insertion keeps the client's order among equals.
    const auto place =
        std::ranges::find_if(ranges, [&](const Range& r) { return r.quality < range.quality; });
    ranges.insert(place, std::move(range));
  }
  return ranges;
}

std::optional<Shape> shape_of(const Range& range, Shapes shapes) {
  if (range.as.empty()) return Shape::kObject;
  const bool meta = range.group == "meta.k8s.io" && (range.version == "v1" || range.version == "v1beta1");
  if (range.as == "Table" && meta && shapes.table) return Shape::kTable;
  if (range.as == "PartialObjectMetadata" && meta && shapes.partial) return Shape::kPartial;
  if (range.as == "PartialObjectMetadataList" && meta && shapes.partial) return Shape::kPartial;
  if (range.as == "APIGroupDiscoveryList" && range.group == "apidiscovery.k8s.io" &&
      (range.version == "v2" || range.version == "v2beta1") && shapes.discovery)
    return Shape::kDiscovery;
  return {};
}

}  // namespace

Result<Wanted> negotiate(std::string_view accept, Shapes shapes) {
  if (accept.size() > kAcceptBytesMax) return invalid("the Accept header is too long");
  if (trim(accept).empty()) return Wanted{};
  for (const Range& range : parse_accept(accept)) {
    if (range.quality <= 0) continue;
    const bool json =
        range.type == "application/json" || range.type == "*/*" || range.type == "application/*";
    const bool yaml = range.type == "application/yaml";
    if (!json && !yaml) continue;
    if (const auto shape = shape_of(range, shapes))
      return Wanted{*shape, range.version.empty() ? "v1" : std::string(range.version), yaml};
  }
  return fail(Code::kInvalidArgument, "not_acceptable",
              "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
              "application/json;stream=watch");
}

namespace {
Failure unreadable(std::string_view problem) {
  return fail(Code::kInvalidArgument, kUnreadableBody,
              fmt::format("couldn't get version/kind; json parse error: {}", problem));
}
}  // namespace

std::string media_type(std::string_view content_type) {
  return lower(cut(content_type, ';'));
}

Result<Json> read_body(const net::Request& request, std::vector<std::string>* duplicates) {
  const std::string type = media_type(request.headers.get("Content-Type"));
  Json object;
  if (type.empty() || type == "application/json") {
    auto parsed = duplicates ? parse_with_duplicates(request.body, kBodyLimits, *duplicates)
                             : Json::parse(request.body, kBodyLimits);
    if (const std::string problem = parsed ? std::string() : json_problem(request.body); !problem.empty())
      return unreadable(problem);
    MK_TRY(object, std::move(parsed));
  } else if (type == "application/yaml" || type == "text/yaml" || type == "application/x-yaml") {
    MK_TRY(std::vector<Json> documents, parse_yaml(request.body, kBodyLimits));
    if (documents.size() != 1)
      return invalid(fmt::format("the YAML body holds {} documents; exactly one is read", documents.size()));
    object = std::move(documents.front());
  } else if (type == "application/vnd.kubernetes.protobuf") {
    MK_TRY(object, decode_protobuf(request.body));
  } else {
    return fail(unknown_format(kReadable));
  }
  if (!object.is_object())
    return unreadable(
        fmt::format("json: cannot unmarshal {} into Go value of type struct {{ APIVersion string "
                    R"("json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }})",
                    go_type_name(object)));
  return object;
}

net::Response write_body(std::string text, const Wanted& wanted, int status) {
  if (!wanted.yaml) return net::Response::json(std::move(text), status);
  // Our own bytes always parse; YAML is for people with curl, so the detour through a value does not matter.
  const auto value =
      Json::parse(text, {.bytes_max = text.size() + 1, .depth_max = 256, .nodes_max = 10'000'000});
  if (!value) return net::Response::json(std::move(text), status);
  return {status, {{"Content-Type", "application/yaml"}}, dump_yaml(*value)};
}

}  // namespace mk::api::kubernetes
