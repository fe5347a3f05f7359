// Finds the route of a path: a literal segment beats {segment}, which beats {rest...}. Pure.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/route.h"

namespace mk::api {

using ErrorForm = net::Response (*)(const Error&);

class RouteTree {
 public:
  RouteTree();
  ~RouteTree();
  RouteTree(RouteTree&&) noexcept;

  // A problem in one sentence, or nothing when the route was added. `route` must stay where it is.
  std::optional<std::string> add(const Route& route);

  struct Match {
    const Route* route = nullptr;     // null: 404, or 405 when `allow` names methods
    std::string allow;                // "GET, POST"
    ErrorForm error = nullptr;        // of the route, or of the protocol whose prefix the path is under
    std::vector<std::string> params;  // decoded
  };
  // An error when the path cannot be decoded.
  Result<Match> find(net::Method method, std::string_view raw_path, ErrorForm* form) const;

 private:
  struct Node;
  struct Search;
  std::unique_ptr<Node> root_;
};

}  // namespace mk::api
