#include "dataplane/modelserver/routes.h"

#include <doctest/doctest.h>

namespace mk::dataplane {
namespace {

TEST_CASE("routes: the paths of the protocol, for this model and version only") {
  using net::Method;
  const auto find = [](Method method, std::string_view path) { return find_route(method, path, "wine é", "3"); };
  CHECK(*find(Method::kGet, "/v2") == Route::kServer);
  CHECK(*find(Method::kGet, "/v2/health/live") == Route::kLive);
  CHECK(*find(Method::kHead, "/v2/health/ready") == Route::kReady);
  CHECK(*find(Method::kGet, "/v2/models/wine%20%C3%A9/ready") == Route::kModelReady);
  CHECK(*find(Method::kGet, "/v2/models/wine%20%C3%A9/versions/3/") == Route::kModel);
  CHECK(*find(Method::kPost, "/v2/models/wine%20%C3%A9/versions/3/infer") == Route::kInfer);
  CHECK(find(Method::kPost, "/v2/models/wine/infer").error().code == Code::kNotFound);
  CHECK(find(Method::kGet, "/v2/models/wine%20%C3%A9/versions/4").error().code == Code::kNotFound);
  CHECK(find(Method::kGet, "/v2/models//ready").error().code == Code::kNotFound);
  CHECK(find(Method::kGet, "/v2/models/%zz").error().code == Code::kNotFound);
  CHECK(find(Method::kGet, "/").error().code == Code::kNotFound);
  CHECK(find(Method::kGet, "/v2/models/wine%20%C3%A9/infer").error().code == Code::kInvalidArgument);
}

}  // namespace
}  // namespace mk::dataplane
