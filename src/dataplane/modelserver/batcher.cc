#include "dataplane/modelserver/batcher.h"

#include "base/format.h"
#include "dataplane/engines/join.h"
#include "dataplane/modelserver/limits.h"

namespace mk::dataplane {
namespace {

size_t bytes_of(const std::vector<Tensor>& tensors) {
  size_t bytes = 0;
  for (const auto& tensor : tensors) {
    bytes += tensor.data.size() + tensor.texts.size() * sizeof(std::string);
    for (const auto& text : tensor.texts) bytes += text.size();
  }
  return bytes;
}

}  // namespace

Batcher::Batcher(Engine& engine, Options options) : engine_(engine), options_(std::move(options)) {}

Batcher::~Batcher() {
  for (auto& job : queue_) job.done(fail(Code::kUnavailable, "stopping", "the model server is stopping"));
}

void Batcher::submit(Job job) {
  const size_t bytes = bytes_of(job.inputs);
  job.submitted = os::system_clock().monotonic();
  std::unique_lock lock(mutex_);
  if (queue_.size() >= kWaitingMax || queued_bytes_ + bytes > kWaitingBytesMax) {
    const size_t waiting = queue_.size();
    lock.unlock();
    return job.done(fail(Code::kResourceExhausted, "queue_full",
                         fmt::format("the model is busy: {} requests wait already; retry later", waiting)));
  }
  queued_bytes_ += bytes;
  queue_.push_back(std::move(job));
  if (running_ == options_.runners) return;
  ++running_;
  lock.unlock();
  options_.post([this] { run_next(); });
}

size_t Batcher::waiting() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

// One batch a turn: between two of them an I/O thread reads what has arrived, which makes the next batch.
void Batcher::run_next() {
  std::vector<Job> batch;
  {
    std::lock_guard lock(mutex_);
    batch = take_batch();
  }
  if (!batch.empty()) run(std::move(batch));
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty()) {
      --running_;
      return;
    }
  }
  options_.post([this] { run_next(); });
}

std::vector<Job> Batcher::take_batch() {
  std::vector<Job> batch;
  int64_t rows = 0;
  while (!queue_.empty()) {
    Job& next = queue_.front();
    if (!batch.empty()) {
      const auto more = rows_of(next.inputs);
      if (!more || rows + *more > options_.rows_max || !can_join(batch[0].inputs, next.inputs)) break;
      rows += *more;
    } else {
      rows = rows_of(next.inputs).value_or(options_.rows_max);
    }
    queued_bytes_ -= bytes_of(next.inputs);
    batch.push_back(std::move(next));
    queue_.pop_front();
    if (!engine_.batches() || rows >= options_.rows_max) break;
  }
  return batch;
}

void Batcher::run(std::vector<Job> batch) {
  if (batch.size() == 1) return run_alone(batch[0]);
  std::vector<const std::vector<Tensor>*> requests;
  std::vector<int64_t> rows;
  for (const auto& job : batch) {
    requests.push_back(&job.inputs);
    rows.push_back(*rows_of(job.inputs));
  }
  auto outputs = engine_.run(join_rows(requests), options_.deadline);
  auto parts = outputs ? split_rows(*outputs, rows) : std::nullopt;
  // One client's bad data must not fail its neighbours: then each runs alone.
  if (!parts) {
    for (auto& job : batch) run_alone(job);
    return;
  }
  for (size_t i = 0; i < batch.size(); ++i) batch[i].done(std::move((*parts)[i]));
}

void Batcher::run_alone(Job& job) {
  Duration left = options_.deadline;
  if (left.nanoseconds > 0) {
    left = left - (os::system_clock().monotonic() - job.submitted);
    if (left.nanoseconds <= 0)
      return job.done(fail(Code::kDeadlineExceeded, "deadline",
                           fmt::format("the request waited longer than {} s for the model",
                                       options_.deadline.nanoseconds / 1'000'000'000)));
  }
  job.done(engine_.run(job.inputs, left));
}

}  // namespace mk::dataplane
