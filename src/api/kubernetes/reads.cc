#include "api/kubernetes/reads.h"

#include <algorithm>

#include "api/kubernetes/limits.h"
#include "api/kubernetes/list_stream.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/status.h"
#include "api/kubernetes/writes.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {


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

// What of a listing one reply holds.
Encoder::Page page_of(const ListQuery& query, store::Listing listing) {
  // Later pages carry the first page's version: a watch from there repeats what changed in between and misses
  // nothing, without a snapshot that somebody would have to keep.
  const store::Version version =
      query.after ? std::min(query.after->version, listing.version) : listing.version;
  if (!query.after && query.limit <= 0 && query.selector.empty()) return {std::move(listing.objects), version, {}, 0};
  auto next = listing.objects.begin();
  if (query.after) {
    const auto last = std::tie(query.after->space, query.after->name);
    next = std::ranges::find_if(listing.objects, [&](const store::ObjectRef& object) {
      return std::tie(object->key.space, object->key.name) > last;
    });
  }
  const auto limit = query.limit > 0 ? static_cast<size_t>(query.limit) : SIZE_MAX;
  Encoder::Page page{{}, version, {}, 0};
  while (next != listing.objects.end() && page.objects.size() < limit) {
    if (query.selector.empty() || query.selector.matches(**next)) page.objects.push_back(std::move(*next));
    ++next;
  }
  const bool more = query.selector.empty()
                        ? next != listing.objects.end()
                        : std::any_of(next, listing.objects.end(), [&](const store::ObjectRef& object) {
                            return query.selector.matches(*object);
                          });
  if (more && !page.objects.empty()) {
    const store::Key& last = page.objects.back()->key;
    page.continue_token = continue_token({last.space, last.name, version});
    if (query.selector.empty()) page.remaining = static_cast<size_t>(listing.objects.end() - next);
  }
  return page;
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
  const auto object = objects_.read(caller.identity, *target.kind, place.key(target), part);
  if (!object) return refuse(object.error(), about(*target.kind, place.name));
  const auto query = query_of(request);
  if (!query) return refuse(query.error());
  const auto encoder = choose_encoder(target, request, *query, objects_.clock());
  if (!encoder) return refuse(encoder.error());
  net::Response response = write_body(encoder->alone(**object), encoder->wanted());
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
  const auto sight = objects_.sight(caller.identity, verb, *target.kind, asked->selection.space, only,
                                    asked->query.only_visible);
  if (!sight) return reply.send(refuse(sight.error(), about(*target.kind)));
  if (asked->query.watch) {
    const ListQuery& query = asked->query;
    return watches_.start({asked->selection, *sight, query.selector, asked->encoder, query.version, query.bookmarks,
                           query.initial_events, watch_timeout(query)},
                          std::move(reply));
  }
  store::Listing listing = objects_.list(*sight, asked->selection);
  if (listing.objects.size() <= kListObjectsOnIoMax) return list(*asked, std::move(listing), std::move(reply));
  executor_.post([this, asked = std::make_shared<Asked>(std::move(*asked)),
                  listing = std::make_shared<store::Listing>(std::move(listing)),
                  later = std::make_shared<net::Reply>(std::move(reply))] {
    list(*asked, std::move(*listing), std::move(*later));
  });
}

void Reads::list(const Asked& asked, store::Listing listing, net::Reply reply) const {
  if (const auto checked = check_version(asked.query, listing.version); !checked)
    return reply.send(refuse(checked.error()));
  Encoder::Page page = page_of(asked.query, std::move(listing));
  const bool brief = page.objects.size() <= kListObjectsOnIoMax || asked.encoder.wanted().yaml;
  net::Response response = write_body(brief ? asked.encoder.list(page) : std::string(), asked.encoder.wanted());
  warn_of_version(response, asked.encoder.target());
  if (brief) return reply.send(std::move(response));
  ListStream::start(asked.encoder, std::move(page), reply.stream(std::move(response)), executor_);
}

}  // namespace mk::api::kubernetes
