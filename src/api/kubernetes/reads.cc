#include "api/kubernetes/reads.h"

#include <algorithm>

#include "api/kubernetes/limits.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/status.h"
#include "api/kubernetes/writes.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

constexpr size_t kObjectsAtOnceMax = 100;  // longer lists are not written on an I/O thread

Error no_such_object(const Target& target, std::string_view name) {
  return {Code::kNotFound, "not_found", fmt::format("{} \"{}\" not found", target.kind->resource(), name)};
}

// Lists come from memory as it is now; a version that we have not reached yet, or an exact old one, cannot be
// had.
Result<void> check_version(const ListQuery& query, store::Version now) {
  const store::Version wanted = query.version.value_or(0);
  if (wanted > now)
    return fail(Code::kDeadlineExceeded, "version_too_large",
                fmt::format("Timeout: Too large resource version: {}, current: {}", wanted, now));
  if (query.exact && wanted != now)
    return fail(
        Code::kGone, "expired",
        fmt::format("The provided resource version is too old: {} is asked for, {} is current", wanted, now));
  return {};
}

Duration watch_timeout(const ListQuery& query) {
  if (query.timeout_s.value_or(0) == 0) return kWatchTimeoutDefault;
  return Duration::from_seconds(std::min(*query.timeout_s, kWatchTimeoutSecondsMax));
}

}  // namespace

struct Reads::Asked {
  Encoder encoder;
  ListQuery query;
  store::Selection selection;
};

Result<Encoder> choose_encoder(const Target& target, const net::Request& request, const net::Query& query,
                               const os::Clock& clock) {
  MK_TRY(Wanted wanted, negotiate(request.headers.get("Accept"), {.table = true, .partial = true}));
  const std::string_view include = query.get("includeObject", "Metadata");
  RowObject row_object = RowObject::kMetadata;
  if (include == "None")
    row_object = RowObject::kNone;
  else if (include == "Object")
    row_object = RowObject::kWhole;
  else if (include != "Metadata" && !include.empty())
    return invalid(
        fmt::format("Unable to convert to Table as requested: includeObject: Invalid value: {}: must be "
                    "'Metadata', 'Object', 'None', or empty",
                    Json(include).dump()));
  return Encoder(target, std::move(wanted), row_object, clock);
}

net::Response Reads::get(const Target& target, const Place& place, std::string_view part,
                         const net::Request& request, const Caller& caller) const {
  if (const auto may = objects_.authorise(caller.identity, "get", *target.kind, place.space, place.name, part); !may)
    return refuse(may.error(), about(*target.kind, place.name));
  const auto query = query_of(request);
  if (!query) return refuse(query.error());
  const auto encoder = choose_encoder(target, request, *query, objects_.clock());
  if (!encoder) return refuse(encoder.error());
  const store::ObjectRef object = objects_.get(place.key(target));
  if (!object) return refuse(no_such_object(target, place.name), about(*target.kind, place.name));
  net::Response response = write_body(encoder->alone(*object), encoder->wanted());
  warn_of_version(response, target);
  return response;
}

void Reads::collection(const Target& target, std::optional<std::string> space, const net::Request& request,
                       const Caller& caller, net::Reply reply) {
  const auto understand = [&]() -> Result<Asked> {
    MK_TRY(const net::Query query, query_of(request));
    MK_TRY(Encoder encoder, choose_encoder(target, request, query, objects_.clock()));
    MK_TRY(ListQuery list_query, ListQuery::parse(query, *target.kind, target.conversion));
    return Asked{std::move(encoder), std::move(list_query), {target.kind->resource(), std::move(space)}};
  };
  // The only object that the selector leaves, if it names one: a right to that one is enough.
  const std::string only = name_selected(request);
  auto asked = understand();
  if (!asked) return reply.send(refuse(asked.error(), about(*target.kind)));
  const std::string_view verb = asked->query.watch ? "watch" : "list";
  const auto may = objects_.authorise(caller.identity, verb, *target.kind, asked->selection.space.value_or(""), only);
  if (!may) return reply.send(refuse(may.error(), about(*target.kind)));
  if (asked->query.watch) {
    const ListQuery& query = asked->query;
    return watches_.start({asked->selection, query.selector, asked->encoder, query.version, query.bookmarks,
                           query.initial_events, watch_timeout(query)},
                          std::move(reply));
  }
  store::Listing listing = objects_.store().list(asked->selection);
  if (listing.objects.size() <= kObjectsAtOnceMax) return reply.send(list(*asked, listing));
  executor_.post(
      [this, asked = std::make_shared<Asked>(std::move(*asked)),
       listing = std::make_shared<store::Listing>(std::move(listing)),
       later = std::make_shared<net::Reply>(std::move(reply))] { later->send(list(*asked, *listing)); });
}

net::Response Reads::list(const Asked& asked, const store::Listing& listing) const {
  const ListQuery& query = asked.query;
  if (const auto checked = check_version(query, listing.version); !checked) return refuse(checked.error());
  // Later pages carry the first page's version: a watch from there repeats what changed in between and misses
  // nothing, without a snapshot that somebody would have to keep.
  const store::Version version =
      query.after ? std::min(query.after->version, listing.version) : listing.version;
  auto next = listing.objects.begin();
  if (query.after) {
    const auto last = std::tie(query.after->space, query.after->name);
    next = std::ranges::find_if(listing.objects, [&](const store::ObjectRef& object) {
      return std::tie(object->key.space, object->key.name) > last;
    });
  }
  const auto limit = query.limit > 0 ? static_cast<size_t>(query.limit) : SIZE_MAX;
  std::vector<store::ObjectRef> objects;
  while (next != listing.objects.end() && objects.size() < limit) {
    if (query.selector.empty() || query.selector.matches(**next)) objects.push_back(*next);
    ++next;
  }
  Encoder::Page page{objects, version, {}, 0};
  const bool more = query.selector.empty()
                        ? next != listing.objects.end()
                        : std::any_of(next, listing.objects.end(), [&](const store::ObjectRef& object) {
                            return query.selector.matches(*object);
                          });
  if (more && !objects.empty()) {
    const store::Key& last = objects.back()->key;
    page.continue_token = continue_token({last.space, last.name, version});
    if (query.selector.empty()) page.remaining = static_cast<size_t>(listing.objects.end() - next);
  }
  net::Response response = write_body(asked.encoder.list(page), asked.encoder.wanted());
  warn_of_version(response, asked.encoder.target());
  return response;
}

}  // namespace mk::api::kubernetes
