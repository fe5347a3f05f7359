#include "api/route_tree.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/format.h"

namespace mk::api {

namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (true) {
    const size_t end = path.find('/');
    parts.push_back(path.substr(0, end));
    if (end == std::string_view::npos) return parts;
    path.remove_prefix(end + 1);
  }
}

bool is_segment(std::string_view part) {
  return part.size() > 2 && part.starts_with('{') && part.ends_with('}');
}
bool is_rest(std::string_view part) {
  return is_segment(part) && part.ends_with("...}");
}

}  // namespace

struct RouteTree::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> segment;
  std::vector<const Route*> here;
  std::vector<const Route*> rest;
  // The error form of all routes at and below this node, if they agree.
  ErrorForm error = nullptr;
  bool mixed = false;

  void note(ErrorForm form) {
    if (form == nullptr || mixed) return;
    if (error == nullptr) error = form;
    if (error != form) {
      mixed = true;
      error = nullptr;
    }
  }
};

RouteTree::RouteTree() : root_(std::make_unique<Node>()) {}
RouteTree::~RouteTree() = default;
RouteTree::RouteTree(RouteTree&&) noexcept = default;

std::optional<std::string> RouteTree::add(const Route& route) {
  if (!route.pattern.starts_with('/'))
    return fmt::format("pattern \"{}\" does not start with a slash", route.pattern);
  const auto parts = split(route.pattern);
  Node* node = root_.get();
  bool rest = false;
  node->note(route.error);
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string_view part = parts[i];
    if (is_rest(part)) {
      if (i + 1 != parts.size()) return fmt::format("{} has segments behind {}", route.pattern, part);
      rest = true;
      break;
    }
    if (part.find_first_of("{}%") != std::string_view::npos && !is_segment(part)) {
      return fmt::format("{} has a malformed segment {}", route.pattern, part);
    }
    if (part.empty() && i + 1 != parts.size()) return fmt::format("{} has an empty segment", route.pattern);
    auto& next = is_segment(part) ? node->segment : node->literals[std::string(part)];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
    node->note(route.error);
  }
  auto& routes = rest ? node->rest : node->here;
  for (const Route* other : routes) {
    if (other->method == route.method) {
      return fmt::format("{} {} and {} match the same requests", net::method_name(route.method),
                         other->pattern, route.pattern);
    }
  }
  routes.push_back(&route);
  return std::nullopt;
}

// One walk down the tree. Every node is looked at once at most, as its depth is its place in the path.
struct RouteTree::Search {
  net::Method method;
  const std::vector<std::string>& parts;
  std::vector<std::string> params;
  const Route* found = nullptr;
  std::vector<const Route*> other_methods;
  ErrorForm form = nullptr;  // of the deepest node that has one
  size_t form_depth = 0;

  bool choose(const std::vector<const Route*>& routes) {
    const auto of = [&](net::Method wanted) {
      return std::find_if(routes.begin(), routes.end(), [&](const Route* r) { return r->method == wanted; });
    };
    auto route = of(method);
    if (route == routes.end() && method == net::Method::kHead) route = of(net::Method::kGet);
    if (route == routes.end()) {
      if (other_methods.empty()) other_methods = routes;
      return false;
    }
    found = *route;
    return true;
  }

  bool walk(const Node& node, size_t depth) {
    if (node.error != nullptr && depth >= form_depth) {
      form = node.error;
      form_depth = depth;
    }
    if (depth == parts.size()) return choose(node.here);
    // "/a/" is "/a", unless a route says otherwise.
    const bool slash_behind = depth > 0 && depth + 1 == parts.size() && parts[depth].empty();
    if (slash_behind && !node.here.empty() && node.rest.empty() && choose(node.here)) return true;
    if (const auto next = node.literals.find(parts[depth]); next != node.literals.end()) {
      if (walk(*next->second, depth + 1)) return true;
    }
    if (node.segment && !parts[depth].empty()) {
      params.push_back(parts[depth]);
      if (walk(*node.segment, depth + 1)) return true;
      params.pop_back();
    }
    return take_rest(node, depth);
  }

  bool take_rest(const Node& node, size_t depth) {
    // The catch-all of one protocol (the console's pages) never answers below the prefix of another.
    const bool foreign =
        !node.rest.empty() && form != nullptr && form_depth > depth && node.rest.front()->error != form;
    if (node.rest.empty() || foreign || !choose(node.rest)) return false;
    std::string rest;
    for (size_t i = depth; i < parts.size(); ++i) rest.append(i > depth ? "/" : "").append(parts[i]);
    params.push_back(std::move(rest));
    return true;
  }
};

Result<RouteTree::Match> RouteTree::find(net::Method method, std::string_view raw_path,
                                         ErrorForm* form) const {
  std::vector<std::string> parts;
  for (const std::string_view raw : split(raw_path)) {
    auto decoded = percent_decode(raw);
    if (!decoded) {
      Search search{.method = method, .parts = parts};
      search.walk(*root_, 0);
      *form = search.form;
      return invalid(
          fmt::format("the path segment \"{}\" is not well-formed percent-encoding", raw.substr(0, 100)));
    }
    parts.push_back(*std::move(decoded));
  }
  Search search{.method = method, .parts = parts};
  Match match;
  if (search.walk(*root_, 0)) {
    match.route = search.found;
    match.params = std::move(search.params);
    match.error = search.found->error ? search.found->error : search.form;
  } else {
    for (const Route* route : search.other_methods) {
      match.allow.append(match.allow.empty() ? "" : ", ").append(net::method_name(route->method));
    }
    match.error = search.form;
  }
  *form = match.error;
  return match;
}

}  // namespace mk::api
