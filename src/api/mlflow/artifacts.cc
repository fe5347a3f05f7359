#include <charconv>

#include "api/mlflow/artifact_upload.h"
#include "api/mlflow/file_reply.h"
#include "api/mlflow/registry_routes.h"
#include "api/mlflow/reply.h"
#include "base/format.h"
#include "modules/registry/limits.h"
#include "modules/registry/names.h"

namespace mk::api::mlflow {
namespace {

using blob::Path;
using net::Method;
using registry::Artifacts;

// The folder's entries as MLflow's FileInfo; `under` is put in front of each name. A file or nothing lists as
// nothing, which is what MLflow's client expects of either.
Result<Json> files_in(const blob::Blobs& blobs, const Path& folder, const Path& under) {
  auto entries = blobs.list(folder);
  if (!entries &&
      (entries.error().code == Code::kNotFound || entries.error().code == Code::kFailedPrecondition ||
       entries.error().code == Code::kInvalidArgument)) {
    return Json();
  }
  if (!entries) return Failure(std::move(entries).error());
  if (entries->size() > registry::kListedEntriesMax) {
    return fail(Error{Code::kTooLarge, "folder_too_large",
                      fmt::format("the folder has {} entries; at most {} can be listed", entries->size(),
                                  registry::kListedEntriesMax)}
                    .with_hint("log files into several folders"));
  }
  Json files;
  for (const blob::Entry& entry : *entries) {
    Json file = Json::object(
        {{"path", under.is_root() ? entry.name : under.text() + "/" + entry.name}, {"is_dir", entry.folder}});
    if (!entry.folder) file["file_size"] = entry.bytes;
    files.push_back(std::move(file));
  }
  return files;
}

Result<Path> path_argument(const Arguments& args, std::string_view field) {
  MK_TRY(auto text, args.text_if_any(field));
  auto path = Path::parse(text.value_or(""));
  if (!path) return fail(std::move(path).error().at_field(std::string(field)));
  return path;
}

Result<std::string> listing(const Artifacts& artifacts, const Artifacts::Root& root, const Path& below) {
  MK_TRY(Json files, files_in(artifacts.blobs(), root.path / below, below));
  Json out = Json::object({{"root_uri", root.uri}});
  if (!files.is_null()) out["files"] = std::move(files);
  return out.dump();
}

Result<std::string> run_argument(const Arguments& args) {
  MK_TRY(auto run, args.text_if_any("run_id"));
  if (run && !run->empty()) return std::move(*run);
  MK_TRY(auto old_name, args.text_if_any("run_uuid"));
  if (old_name && !old_name->empty()) return std::move(*old_name);
  return invalid("the parameter 'run_id' is missing; name the run whose artifacts are meant");
}

Result<std::string> list_proxied(const Artifacts& artifacts, const Arguments& args) {
  MK_TRY(const Path folder, path_argument(args, "path"));
  MK_TRY(Json files, files_in(artifacts.blobs(), folder, {}));
  return files.is_null() ? "{}" : Json::object({{"files", std::move(files)}}).dump();
}

Result<std::string> list_run(const Artifacts& artifacts, const Arguments& args) {
  MK_TRY(const std::string run, run_argument(args));
  MK_TRY(const Path below, path_argument(args, "path"));
  MK_TRY(const Artifacts::Root root, artifacts.of_run(run));
  return listing(artifacts, root, below);
}

// Where the file of each kind of download is.
Result<Path> of_run(const Artifacts& artifacts, const Arguments& args, const net::Request&) {
  MK_TRY(const std::string run, run_argument(args));
  MK_TRY(const Path below, path_argument(args, "path"));
  MK_TRY(const Artifacts::Root root, artifacts.of_run(run));
  return root.path / below;
}

Result<Path> of_version(const Artifacts& artifacts, const Arguments& args, const net::Request&) {
  MK_TRY(const std::string name, args.text("name"));
  MK_TRY(const std::string text, args.text("version"));
  MK_TRY(const int64_t version, registry::parse_version(text));
  MK_TRY(const Path below, path_argument(args, "path"));
  MK_TRY(const Artifacts::Root root, artifacts.of_version(name, version));
  return root.path / below;
}

Result<Path> of_logged_model(const Artifacts& artifacts, const Arguments& args, const net::Request& request) {
  MK_TRY(const Path below, path_argument(args, "artifact_file_path"));
  MK_TRY(const Artifacts::Root root, artifacts.of_logged_model(request.params[0]));
  return root.path / below;
}

Result<Path> proxied(const Artifacts&, const Arguments&, const net::Request& request) {
  return Path::parse(request.params[0]);
}

using Where = Result<Path> (*)(const Artifacts&, const Arguments&, const net::Request&);

Whole download(const Artifacts& artifacts, Where where) {
  return [&artifacts, where](net::Request request, const Caller&, net::Reply reply) {
    auto path = [&]() -> Result<Path> {
      MK_TRY(const Arguments args, Arguments::read(request));
      return where(artifacts, args, request);
    }();
    if (!path) return reply.send(error_reply(path.error()));
    send_stored_file(artifacts.blobs(), *path, request, std::move(reply));
  };
}

uint64_t length_of(const net::Request& request) {
  const std::string_view text = request.headers.get("Content-Length");
  uint64_t length = 0;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length;
}

Streaming upload(std::shared_ptr<Uploads> uploads) {
  return [uploads](net::Request request, const Caller&, net::Body body, net::Reply reply) {
    auto path = Path::parse(request.params[0]);
    if (path && path->is_root()) path = invalid("the path of the file to store is missing");
    if (!path) return reply.send(error_reply(path.error()));
    uploads->take(*path, length_of(request), std::move(body), std::move(reply));
  };
}

// MLflow's page sends a file with its run in the query.
Streaming browser_upload(const Artifacts& artifacts, std::shared_ptr<Uploads> uploads,
                         os::Executor& executor) {
  return [&artifacts, uploads, &executor](net::Request request, const Caller&, net::Body body,
                                          net::Reply reply) {
    struct Parts {
      net::Request request;
      net::Body body;
      net::Reply reply;
    };
    auto parts = std::make_shared<Parts>(std::move(request), std::move(body), std::move(reply));
    executor.post([&artifacts, uploads, parts] {
      auto path = [&]() -> Result<Path> {
        MK_TRY(const net::Query query, net::Query::parse(parts->request.raw_query()));
        MK_TRY(const Path below, Path::parse(query.get("path")));
        if (below.is_root()) return invalid("the parameter 'path' is missing");
        MK_TRY(const Artifacts::Root root, artifacts.of_run(query.get("run_uuid")));
        return root.path / below;
      }();
      if (!path) return parts->reply.send(error_reply(path.error()));
      uploads->take(*path, length_of(parts->request), std::move(parts->body), std::move(parts->reply));
    });
  };
}

Result<std::string> remove(const Artifacts& artifacts, const net::Request& request) {
  MK_TRY(const Path path, Path::parse(request.params[0]));
  if (path.is_root()) return invalid("the path of what to delete is missing");
  MK_OK(artifacts.blobs().remove(path));
  artifacts.file_changed(path);
  return "{}";
}

// Parts and presigned addresses are for object stores. MLflow's client looks for these words and then sends
// the file in one piece.
Call unsupported(std::string_view what) {
  return [what](const Arguments&, const net::Request&, const Caller&) -> Result<std::string> {
    return fail(Code::kUnimplemented, "unsupported",
                fmt::format("{} is not supported for the current artifact repository", what));
  };
}

}  // namespace

std::vector<Route> artifact_routes(const Artifacts& artifacts, os::Executor& executor) {
  auto uploads = std::make_shared<Uploads>(artifacts, executor);
  auto call = [&artifacts](Result<std::string> (*f)(const Artifacts&, const Arguments&)) {
    return whole([&artifacts, f](const Arguments& args, const net::Request&, const Caller&) {
      return f(artifacts, args);
    });
  };
  auto erase = whole([&artifacts](const Arguments&, const net::Request& request, const Caller&) {
    return remove(artifacts, request);
  });
  auto list_model = whole(
      [&artifacts](const Arguments& args, const net::Request& request, const Caller&) -> Result<std::string> {
        MK_TRY(const Path below, path_argument(args, "artifact_directory_path"));
        MK_TRY(const Artifacts::Root root, artifacts.of_logged_model(request.params[0]));
        return listing(artifacts, root, below);
      });
  constexpr std::string_view kResource = "artifacts.mlflow.kubeflow.org";
  const std::string proxy = "/api/2.0/mlflow-artifacts/";
  const std::string base = "/api/2.0/mlflow/";
  std::vector<Route> rows = with_ajax_twins({
      {Method::kGet, proxy + "artifacts", {"list", kResource}, call(list_proxied)},
      {Method::kGet, proxy + "artifacts/{path...}", {"get", kResource}, download(artifacts, proxied)},
      {Method::kPut,
       proxy + "artifacts/{path...}",
       {"create", kResource},
       upload(uploads),
       registry::kArtifactBytesMax},
      {Method::kDelete, proxy + "artifacts/{path...}", {"delete", kResource}, erase},
      {Method::kPost,
       proxy + "mpu/create/{path...}",
       {"create", kResource},
       whole(unsupported("Multipart upload"))},
      {Method::kPost,
       proxy + "mpu/complete/{path...}",
       {"create", kResource},
       whole(unsupported("Multipart upload"))},
      {Method::kPost,
       proxy + "mpu/abort/{path...}",
       {"create", kResource},
       whole(unsupported("Multipart upload"))},
      {Method::kGet,
       proxy + "presigned/{path...}",
       {"get", kResource},
       whole(unsupported("Presigned download"))},
      {Method::kGet, base + "artifacts/list", {"list", kResource}, call(list_run)},
      {Method::kPost,
       base + "artifacts/presigned-upload-url",
       {"create", kResource},
       whole(unsupported("Presigned upload"))},
      {Method::kPost,
       base + "artifacts/presigned-download-url",
       {"get", kResource},
       whole(unsupported("Presigned download"))},
      {Method::kGet, base + "logged-models/{id}/artifacts/directories", {"list", kResource}, list_model},
      {Method::kGet,
       base + "logged-models/{id}/artifacts/files",
       {"get", kResource},
       download(artifacts, of_logged_model)},
  });
  rows.push_back(
      {Method::kGet, "/get-artifact", {"get", kResource}, download(artifacts, of_run), 0, error_reply});
  rows.push_back({Method::kGet,
                  "/model-versions/get-artifact",
                  {"get", kResource},
                  download(artifacts, of_version),
                  0,
                  error_reply});
  rows.push_back({Method::kPost,
                  "/ajax-api/2.0/mlflow/upload-artifact",
                  {"create", kResource},
                  browser_upload(artifacts, uploads, executor),
                  registry::kBrowserUploadBytesMax,
                  error_reply});
  return rows;
}

}  // namespace mk::api::mlflow
