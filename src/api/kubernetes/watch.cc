#include "api/kubernetes/watch.h"

#include <atomic>
#include <mutex>
#include <set>

#include "api/kubernetes/event_lines.h"
#include "api/kubernetes/status.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

const net::Response kHead{
    200, {{"Content-Type", "application/json"}, {"Cache-Control", "no-cache, private"}}, {}};

void answer_with_error(net::Reply reply, const Error& error) {
  net::Stream stream = reply.stream(kHead);
  stream.write(error_event(error));
  stream.finish();
}

}  // namespace

struct Watches::State : std::enable_shared_from_this<State> {
  State(store::Store& s, os::Executor& e, WatchTiming t) : store(s), executor(e), timing(t) {}

  // One turn of one task for all sessions that have something to do, instead of a task for each. When they
  // are many, a turn waits a little, so that each of them sends several events in one piece.
  void wake(std::shared_ptr<Session> session) {
    const std::lock_guard lock(due_mutex);
    due.push_back(std::move(session));
    if (std::exchange(turn_posted, true)) return;
    const auto turn = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->take_turn();
    };
    if (crowded)
      executor.post_after(timing.round_pause, turn);
    else
      executor.post(turn);
  }
  void take_turn();

  store::Store& store;
  os::Executor& executor;
  const WatchTiming timing;
  EventLines lines;
  std::mutex mutex;
  std::set<std::shared_ptr<Session>> sessions;
  bool ticking = false, stopped = false;

  std::mutex due_mutex;  // of what follows; taken last
  std::vector<std::shared_ptr<Session>> due;
  bool turn_posted = false, crowded = false;
};

// One watch. `pump` and `tick` run on the executor under the session's mutex; everything else only wakes
// them.
class Watches::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<State> state, Wish wish)
      : state_(std::move(state)),
        wish_(std::move(wish)),
        variant_(wish_.encoder.variant()),
        started_(state_->executor.clock().monotonic()),
        last_bookmark_(started_) {}

  // What there is now, to be sent first. Returns the version it stands for.
  store::Version load_initial() {
    store::Listing listing = wish_.sight.of(state_->store.list(wish_.selection));
    initial_ = std::move(listing.objects);
    return listing.version;
  }

  Result<void> subscribe(store::Version from) {
    initial_version_ = from;
    const auto ready = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->wake();
    };
    MK_TRY(watch_, state_->store.watch(wish_.selection, from, ready));
    return {};
  }

  void open(net::Stream stream) {
    const std::lock_guard lock(mutex_);
    stream_.emplace(std::move(stream));
    stream_->on_closed([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->closed_ = true;
      self->wake();
    });
    wake();
  }

  void wake() {
    if (!scheduled_.exchange(true)) state_->wake(shared_from_this());
  }

  void pump() {
    const std::lock_guard lock(mutex_);
    scheduled_ = false;
    if (!stream_) return;
    if (closed_) return end();
    if (is_full() || !send_initial()) return;
    auto events = watch_->take(kWatchEventsAtOnce);
    if (!events) {
      // The client reads more slowly than things change: it must list again.
      stream_->write(error_event(events.error()));
      return end();
    }
    caught_up_ = events->empty();
    if (caught_up_) return;
    std::string lines;
    for (const store::Event& event : *events) {
      add(event, lines);
      if (lines.size() < kWatchWriteBytes) continue;
      if (!stream_->write(lines)) return end();
      lines.clear();
    }
    if (!stream_->write(lines)) return end();
    wake();  // until there is nothing more; a turn each keeps one busy watch from starving the others
  }

  void tick(Duration now) {
    const std::lock_guard lock(mutex_);
    if (!stream_) return;
    if (now - started_ >= wish_.timeout || !wish_.sight.holds()) return end();
    if (!wish_.bookmarks || !caught_up_ || now - last_bookmark_ < state_->timing.bookmark_every) return;
    last_bookmark_ = now;
    if (!stream_->write(wish_.encoder.bookmark(watch_->reached(), false))) end();
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    end();
  }

 private:
  // True when enough waits for the client already; then pumping goes on when it has read.
  bool is_full() {
    if (stream_->queued_bytes() < kWatchQueuedBytesMax) return false;
    stream_->on_drained([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->wake();
    });
    return true;
  }

  // True when all of it has been sent; else it wakes itself for the rest.
  bool send_initial() {
    if (initial_done_) return true;
    for (size_t n = 0; next_initial_ < initial_.size() && n < kWatchInitialObjectsAtOnce; ++n) {
      const store::ObjectRef& object = initial_[next_initial_++];
      if (wish_.selector.matches(*object) && !write("ADDED", *object)) {
        end();
        return false;
      }
    }
    if (next_initial_ < initial_.size()) {
      wake();
      return false;
    }
    initial_done_ = true;
    initial_ = {};
    if (wish_.initial_events && !stream_->write(wish_.encoder.bookmark(initial_version_, true))) {
      end();
      return false;
    }
    return true;
  }

  // An object that enters or leaves the selector is added or deleted as far as this client can see.
  void add(const store::Event& event, std::string& lines) {
    if (event.kind == store::Event::Kind::kBookmark || !wish_.sight.sees(event.object->key)) return;
    const bool is = event.kind != store::Event::Kind::kDeleted && wish_.selector.matches(*event.object);
    const bool was = event.kind != store::Event::Kind::kAdded &&
                     wish_.selector.matches(event.previous ? *event.previous : *event.object);
    if (!is && !was) return;
    const std::string_view type = !was ? "ADDED" : is ? "MODIFIED" : "DELETED";
    // The first line of a table differs; all others are the same for all who watch alike.
    if (first_)
      lines += wish_.encoder.event(type, *event.object, true);
    else
      lines += *state_->lines.of(variant_, type, *event.object, wish_.encoder);
    first_ = false;
  }

  bool write(std::string_view type, const store::Object& object) {
    const bool written = stream_->write(wish_.encoder.event(type, object, first_));
    first_ = false;
    return written;
  }

  void end() {
    if (!stream_) return;
    watch_.reset();
    if (!closed_) stream_->finish();
    stream_.reset();
    initial_ = {};
    const std::lock_guard lock(state_->mutex);
    state_->sessions.erase(shared_from_this());
  }

  const std::shared_ptr<State> state_;
  const Wish wish_;
  const std::string variant_;  // of what it writes
  const Duration started_;
  std::atomic<bool> scheduled_ = false, closed_ = false;
  std::mutex mutex_;
  Duration last_bookmark_;
  std::optional<net::Stream> stream_;  // unset once the watch has ended
  std::unique_ptr<store::Watch> watch_;
  std::vector<store::ObjectRef> initial_;
  store::Version initial_version_ = 0;
  size_t next_initial_ = 0;
  bool initial_done_ = false, caught_up_ = false, first_ = true;
};

void Watches::State::take_turn() {
  std::vector<std::shared_ptr<Session>> turn;
  {
    const std::lock_guard lock(due_mutex);
    turn.swap(due);
    turn_posted = false;
    crowded = turn.size() >= kWatchCrowd;
  }
  for (const auto& session : turn) session->pump();
}

namespace {
// One timer for all watches: bookmarks and time-outs need no better precision.
template <typename StatePtr>
void tick_later(const StatePtr& state) {
  state->executor.post_after(state->timing.tick, [weak = std::weak_ptr(state)] {
    const auto alive = weak.lock();
    if (!alive) return;
    std::vector<typename decltype(alive->sessions)::value_type> sessions;
    {
      const std::lock_guard lock(alive->mutex);
      if (alive->sessions.empty()) {
        alive->ticking = false;
        return;
      }
      sessions.assign(alive->sessions.begin(), alive->sessions.end());
    }
    const Duration now = alive->executor.clock().monotonic();
    for (const auto& session : sessions) session->tick(now);
    tick_later(alive);
  });
}
}  // namespace

Watches::Watches(store::Store& store, os::Executor& executor, WatchTiming timing)
    : state_(std::make_shared<State>(store, executor, timing)) {}

Watches::~Watches() {
  stop();
}

void Watches::stop() {
  std::set<std::shared_ptr<Session>> sessions;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    sessions = state_->sessions;
  }
  for (const auto& session : sessions) session->stop();
}

size_t Watches::count() const {
  const std::lock_guard lock(state_->mutex);
  return state_->sessions.size();
}

void Watches::start(Wish wish, net::Reply reply) {
  if (count() >= kWatchersMax)
    return reply.send(refuse(Error{Code::kResourceExhausted, "too_many_watches",
                                   fmt::format("{} watches are open, which is the most", kWatchersMax)}));
  const store::Version now = state_->store.version();
  const store::Version from = wish.from.value_or(0);
  if (from > now)
    return answer_with_error(std::move(reply),
                             {Code::kDeadlineExceeded, "version_too_large",
                              fmt::format("Too large resource version: {}, current: {}", from, now)});
  const bool from_scratch = from == 0 || wish.initial_events;
  const auto session = std::make_shared<Session>(state_, std::move(wish));
  const store::Version start = from_scratch ? session->load_initial() : from;
  if (const auto subscribed = session->subscribe(start); !subscribed)
    return answer_with_error(std::move(reply), subscribed.error());
  bool start_ticking = false;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopped)
      return reply.send(refuse(Error{Code::kUnavailable, "stopping", "this server is stopping"}));
    state_->sessions.insert(session);
    start_ticking = !std::exchange(state_->ticking, true);
  }
  session->open(reply.stream(kHead));
  if (start_ticking) tick_later(state_);
}

}  // namespace mk::api::kubernetes
