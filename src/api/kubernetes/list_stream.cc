#include "api/kubernetes/list_stream.h"

#include "api/kubernetes/limits.h"

namespace mk::api::kubernetes {

void ListStream::start(Encoder encoder, Encoder::Page page, net::Stream stream, os::Executor& executor) {
  std::shared_ptr<ListStream>(
      new ListStream(std::move(encoder), std::move(page), std::move(stream), executor))
      ->write_on();
}

void ListStream::write_on() {
  std::string piece;
  piece.reserve(kListWriteBytes + kListWriteBytes / 4);
  if (next_ == 0) encoder_.begin_list(piece, page_);
  while (next_ < page_.objects.size()) {
    if (stream_.queued_bytes() >= kListQueuedBytesMax) {
      return stream_.on_drained(
          [self = shared_from_this()] { self->executor_.post([self] { self->write_on(); }); });
    }
    while (next_ < page_.objects.size() && piece.size() < kListWriteBytes) {
      encoder_.add_item(piece, *page_.objects[next_], next_ == 0);
      ++next_;
    }
    if (!stream_.write(piece)) return;  // the client is gone
    piece.clear();
  }
  stream_.write(piece.append(Encoder::kListEnd));
  stream_.finish();
}

}  // namespace mk::api::kubernetes
