#include "core/work_queue.h"

#include <algorithm>

#include "base/error.h"
#include "core/limits.h"

namespace mk::core {

void WorkQueue::add(const Key& key) {
  Item& item = items_[key];
  if (item.running) {
    item.dirty = true;
    return;
  }
  if (item.ready) return;
  item.ready = true;
  plan(key, item, {});
  ready_.push_back(key);
}

std::optional<WorkQueue::Key> WorkQueue::take() {
  if (ready_.empty()) return {};
  Key key = std::move(ready_.front());
  ready_.pop_front();
  Item& item = items_[key];
  item.ready = false;
  item.running = true;
  ++running_;
  return key;
}

void WorkQueue::plan(const Key& key, Item& item, std::optional<Duration> due) {
  if (item.due) planned_.erase({*item.due, key});
  item.due = due;
  if (due) planned_.insert({*due, key});
}

void WorkQueue::end_run(const Key& key, Item& item, std::optional<Duration> again) {
  MK_CHECK(item.running);
  item.running = false;
  --running_;
  plan(key, item, again);
  if (item.dirty) {
    item.dirty = false;
    add(key);
  } else if (!item.due && item.failures == 0) {
    items_.erase(key);
  }
}

void WorkQueue::done(const Key& key, std::optional<Duration> again) {
  Item& item = items_[key];
  item.failures = 0;
  end_run(key, item, again);
}

Duration WorkQueue::failed(const Key& key, Duration now) {
  Item& item = items_[key];
  Duration delay = limits::kBackoffMin;
  for (int i = 0; i < item.failures && delay < limits::kBackoffMax; ++i) delay = delay * 2;
  delay = std::min(delay, limits::kBackoffMax);
  ++item.failures;
  end_run(key, item, now + delay);
  return delay;
}

void WorkQueue::wake_due(Duration now) {
  while (!planned_.empty() && planned_.begin()->first <= now) add(Key(planned_.begin()->second));
}

std::optional<Duration> WorkQueue::next_due() const {
  if (planned_.empty()) return {};
  return planned_.begin()->first;
}

}  // namespace mk::core
