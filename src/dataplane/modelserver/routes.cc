#include "dataplane/modelserver/routes.h"

#include <array>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/format.h"

namespace mk::dataplane {
namespace {

struct Row {
  std::string_view pattern;  // {m} = the model, {v} = its version
  net::Method method;
  Route route;
};
constexpr std::array kRows = {
    Row{"v2/models/{m}/infer", net::Method::kPost, Route::kInfer},
    Row{"v2/models/{m}/versions/{v}/infer", net::Method::kPost, Route::kInfer},
    Row{"v2/health/live", net::Method::kGet, Route::kLive},
    Row{"v2/health/ready", net::Method::kGet, Route::kReady},
    Row{"v2/models/{m}/ready", net::Method::kGet, Route::kModelReady},
    Row{"v2/models/{m}/versions/{v}/ready", net::Method::kGet, Route::kModelReady},
    Row{"v2/models/{m}", net::Method::kGet, Route::kModel},
    Row{"v2/models/{m}/versions/{v}", net::Method::kGet, Route::kModel},
    Row{"v2", net::Method::kGet, Route::kServer},
};

std::string_view next_segment(std::string_view& path) {
  const auto slash = path.find('/');
  const auto segment = path.substr(0, slash);
  path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
  return segment;
}

// The decoded segments in the model's and the version's places, when the path has the pattern's form.
bool matches(std::string_view pattern, std::string_view path, std::string_view& model, std::string_view& version) {
  while (!pattern.empty() && !path.empty()) {
    const auto wanted = next_segment(pattern), given = next_segment(path);
    if (given.empty()) return false;
    if (wanted == "{m}")
      model = given;
    else if (wanted == "{v}")
      version = given;
    else if (wanted != given)
      return false;
  }
  return pattern.empty() && path.empty();
}

bool same_decoded(std::string_view raw, std::string_view name) {
  if (raw == name) return true;
  if (raw.find('%') == raw.npos) return false;
  const auto decoded = percent_decode(raw);
  return decoded && *decoded == name;
}

}  // namespace

Result<Route> find_route(net::Method method, std::string_view path, std::string_view name, std::string_view version) {
  std::string_view rest = path;
  if (rest.starts_with('/')) rest.remove_prefix(1);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  for (const Row& row : kRows) {
    std::string_view model, asked;
    if (!matches(row.pattern, rest, model, asked)) continue;
    const bool head = method == net::Method::kHead && row.method == net::Method::kGet;
    if (method != row.method && !head)
      return invalid(fmt::format("/{} takes {}, not {}", rest.substr(0, 200), net::method_name(row.method),
                                 net::method_name(method)));
    if (!model.empty() && !same_decoded(model, name))
      return fail(Code::kNotFound, "no_model",
                  fmt::format("there is no model \"{}\" here; this server has \"{}\"", model.substr(0, 200), name));
    if (!asked.empty() && !same_decoded(asked, version))
      return fail(Code::kNotFound, "no_version",
                  fmt::format("model \"{}\" has no version \"{}\"; it has \"{}\"", name, asked.substr(0, 64), version));
    return row.route;
  }
  return fail(Code::kNotFound, "no_route", fmt::format("there is no /{} in the Open Inference Protocol", rest.substr(0, 200)));
}

}  // namespace mk::dataplane
