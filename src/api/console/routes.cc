#include "api/console/routes.h"

#include "base/digest.h"
#include "embedded/console_css.h"
#include "embedded/console_html.h"
#include "embedded/console_js.h"

namespace mk::api::console {
namespace {

// Scripts, styles and data from this origin only; nothing may frame the console.
constexpr const char* kPolicy =
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

// `bytes` are part of the program, so the entity tag changes with the program only.
Quick file(std::string_view bytes, const char* type, bool gzip) {
  const std::string tag = "\"" + sha256_hex(bytes).substr(0, 16) + "\"";
  return [bytes, type, gzip, tag](net::Request& request, const Caller&) {
    net::Response response{200, {{"Content-Type", type}, {"ETag", tag}, {"Cache-Control", "no-cache"},
                                 {"Content-Security-Policy", kPolicy}}, {}};
    if (gzip) response.headers.add("Content-Encoding", "gzip");
    if (request.headers.get("If-None-Match") == tag)
      response.status = 304;
    else
      response.body = std::string(bytes);
    return response;
  };
}

}  // namespace

std::vector<Route> routes() {
  // The page itself holds no data, so anyone may load it; what it then asks for is checked like every request.
  const core::Permission anyone = core::Permission::anyone();
  std::vector<Route> rows;
  for (const char* path : {"/", "/ui/{path...}"})
    rows.push_back({net::Method::kGet, path, anyone, file(embedded::console_html(), "text/html; charset=utf-8", false)});
  rows.push_back({net::Method::kGet, "/assets/app.js", anyone, file(embedded::console_js(), "text/javascript", true)});
  rows.push_back({net::Method::kGet, "/assets/app.css", anyone, file(embedded::console_css(), "text/css", true)});
  return rows;
}

}  // namespace mk::api::console
