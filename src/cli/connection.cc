#include "cli/connection.h"

#include <cstdlib>
#include <future>

#include "base/encoding.h"
#include "base/format.h"
#include "cli/data_folder.h"
#include "os/files.h"

namespace mk::cli {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Kubernetes Status, MLflow and Open Inference errors all carry one sentence, under different names.
Error error_of(const net::Response& response) {
  static constexpr struct { int status; Code code; } kCodes[] = {
      {400, Code::kInvalidArgument}, {401, Code::kUnauthenticated}, {403, Code::kPermissionDenied},
      {404, Code::kNotFound},        {409, Code::kConflict},        {422, Code::kInvalidArgument},
      {503, Code::kUnavailable}};
  Code code = Code::kInternal;
  for (const auto& row : kCodes)
    if (row.status == response.status) code = row.code;
  std::string message = fmt::format("the server answered {}", response.status);
  if (auto body = Json::parse(response.body)) {
    for (std::string_view field : {"message", "error"})
      if (const std::string_view text = (*body)[field].text(); !text.empty()) message = text;
    const std::string_view reason = (*body)["reason"].text();
    if (reason == "AlreadyExists") code = Code::kAlreadyExists;
  }
  return {code, "server", std::move(message)};
}

}  // namespace

std::vector<Option> with_connection(std::vector<Option> options) {
  options.push_back({"--namespace", "NAME", "the namespace", "default", 'n'});
  options.push_back({"--server", "URL", "the modelkit to talk to (else $MODELKIT_SERVER, else the local one)"});
  options.push_back({"--data", "DIR", "the local modelkit's data folder (else $MODELKIT_DATA)"});
  return options;
}

Result<Connection> Connection::open(const Arguments& arguments) {
  Connection connection;
  connection.space_ = arguments.text("--namespace");
  connection.server_ = arguments.has("--server") ? arguments.text("--server") : environment("MODELKIT_SERVER");
  if (connection.server_.empty() || arguments.has("--data")) {
    const std::string folder = data_folder_of(arguments);
    auto text = os::read_file(folder + "/endpoints.json");
    if (!text)
      return fail(Error{Code::kUnavailable, "no_server", fmt::format("no modelkit runs with its data in {}", folder)}
                      .with_hint("start one with `modelkit up`, or name one with --server URL or --data DIR"));
    MK_TRY(const Json endpoints, Json::parse(*text));
    connection.server_ = endpoints["http"].text();
    connection.data_ = endpoints["data"].text();
  }
  MK_TRY(const net::Url url, net::Url::parse(connection.server_));
  connection.endpoint_ = url.endpoint;
  connection.token_ = environment("MODELKIT_TOKEN");
  if (const std::string ca = environment("MODELKIT_CA"); url.endpoint.tls && !ca.empty()) {
    MK_TRY(connection.endpoint_.ca_pem, os::read_file(ca));
  }
  if (!connection.token_.empty() && !url.endpoint.tls && url.endpoint.host != "127.0.0.1" && url.endpoint.host != "localhost")
    return fail(Error{Code::kInvalidArgument, "usage", "a token is not sent over the network without TLS"}.with_hint(
        "use https:// in --server"));
  connection.client_ = net::make_client();
  return connection;
}

void Connection::show_token(net::Headers& headers) const {
  if (!token_.empty()) headers.set("Authorization", "Bearer " + token_);
}

Result<net::Response> Connection::call(net::Method method, std::string target, std::string body, net::Headers headers) const {
  net::ClientRequest request{.method = method, .target = std::move(target), .headers = std::move(headers), .body = std::move(body)};
  show_token(request.headers);
  auto response = client_->fetch(endpoint_, std::move(request));
  if (!response) {
    if (response.error().code != Code::kUnavailable) return response;
    return fail(Error{Code::kUnavailable, "server_away", fmt::format("no modelkit answers at {}", server_)}.with_hint(
        "start it with `modelkit up`"));
  }
  if (response->status >= 400) return fail(error_of(*response));
  return response;
}

Result<Json> Connection::json(net::Method method, std::string target, const Json* body, std::string_view content_type) const {
  net::Headers headers;
  if (body) headers.add("Content-Type", std::string(content_type));
  MK_TRY(const net::Response response, call(method, std::move(target), body ? body->dump() : "", std::move(headers)));
  return Json::parse(response.body, {.bytes_max = 256u << 20, .nodes_max = 20'000'000});
}

Result<void> Connection::stream(std::string target, const std::function<void(std::string_view)>& sink) const {
  std::promise<Result<void>> finished;
  net::Response head;
  std::string refusal;
  net::Client::Events events{
      .head = [&](net::Response response) { head = std::move(response); },
      .data =
          [&](std::string_view bytes) {
            if (head.status >= 400)
              refusal += bytes;
            else
              sink(bytes);
            return true;
          },
      .done = [&](Result<void> result, net::Progress) { finished.set_value(std::move(result)); }};
  net::ClientRequest request{.target = std::move(target), .deadline = {}};
  show_token(request.headers);
  client_->start(endpoint_, std::move(request), std::move(events));
  MK_OK(finished.get_future().get());
  if (head.status >= 400) {
    head.body = std::move(refusal);
    return fail(error_of(head));
  }
  return {};
}

std::string object_path(const kinds::Kind& kind, std::string_view space, std::string_view name) {
  std::string path = kind.group.empty() ? "/api/" + kind.versions[0] : "/apis/" + kind.group + "/" + kind.versions[0];
  if (kind.namespaced && !space.empty()) path += "/namespaces/" + percent_encode(space);
  path += "/" + kind.plural;
  if (!name.empty()) path += "/" + percent_encode(name);
  return path;
}

Result<const kinds::Kind*> find_kind(std::string_view word) {
  if (const kinds::Kind* kind = kinds::find_typed(word)) return kind;
  std::vector<std::string> known;
  for (const auto& kind : kinds::all()) {
    known.push_back(kind.plural);
    known.push_back(kind.singular);
  }
  const std::string near = did_you_mean(word, known);
  return fail(Error{Code::kInvalidArgument, "usage", fmt::format("there is no kind \"{}\"", word)}.with_hint(
      near.empty() ? "kubectl api-resources lists them" : fmt::format("did you mean {}?", near)));
}

}  // namespace mk::cli
