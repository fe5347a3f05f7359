#include "dataplane/engines/python/frame.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/format.h"
#include "os/clock.h"

namespace mk::dataplane::python {
namespace {

constexpr size_t kSizesBytes = 12;  // 4 of the head's length, 8 of the rest's

Failure gone() { return fail(Code::kUnavailable, "worker_gone", "the model's worker ended"); }
Failure malformed() { return fail(Code::kUnavailable, kMalformed, "the model's worker sent a malformed answer"); }

Result<void> wait_for(int fd, short events, Duration deadline) {
  while (true) {
    const Duration left = deadline - os::system_clock().monotonic();
    if (left.nanoseconds <= 0) return fail(Code::kDeadlineExceeded, "worker_slow", "the model did not answer in time");
    pollfd wanted{fd, events, 0};
    const int64_t ms = std::min<int64_t>(left.ms() + 1, 60'000);
    const int ready = poll(&wanted, 1, static_cast<int>(ms));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return gone();
  }
}

Result<void> send_all(int fd, std::string_view bytes, Duration deadline) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      MK_OK(wait_for(fd, POLLOUT, deadline));
    } else {
      return gone();
    }
  }
  return {};
}

Result<void> receive_all(int fd, char* to, size_t size, Duration deadline) {
  while (size > 0) {
    const ssize_t n = recv(fd, to, size, MSG_DONTWAIT);
    if (n > 0) {
      to += n;
      size -= static_cast<size_t>(n);
    } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      MK_OK(wait_for(fd, POLLIN, deadline));
    } else {
      return gone();
    }
  }
  return {};
}

Result<std::vector<std::string>> parse_texts(std::string_view bytes, size_t count) {
  std::vector<std::string> texts;
  while (!bytes.empty()) {
    uint32_t length = 0;
    if (bytes.size() < sizeof length || texts.size() == count) return malformed();
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes.remove_prefix(sizeof length);
    if (length > bytes.size()) return malformed();
    texts.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  if (texts.size() != count) return malformed();
  return texts;
}

}  // namespace

Result<void> write_frame(int fd, const Json& head, std::span<const std::string_view> rest, Duration deadline) {
  const std::string text = head.dump();
  uint64_t rest_bytes = 0;
  for (const auto chunk : rest) rest_bytes += chunk.size();
  const auto head_bytes = static_cast<uint32_t>(text.size());
  std::string start(kSizesBytes, '\0');
  std::memcpy(start.data(), &head_bytes, sizeof head_bytes);
  std::memcpy(start.data() + sizeof head_bytes, &rest_bytes, sizeof rest_bytes);
  start += text;
  MK_OK(send_all(fd, start, deadline));
  for (const auto chunk : rest) MK_OK(send_all(fd, chunk, deadline));
  return {};
}

Result<Frame> read_frame(int fd, Duration deadline) {
  char sizes[kSizesBytes];
  MK_OK(receive_all(fd, sizes, sizeof sizes, deadline));
  uint32_t head_bytes = 0;
  uint64_t rest_bytes = 0;
  std::memcpy(&head_bytes, sizes, sizeof head_bytes);
  std::memcpy(&rest_bytes, sizes + sizeof head_bytes, sizeof rest_bytes);
  if (head_bytes > kHeadBytesMax || rest_bytes > kRestBytesMax) return malformed();
  std::string head(head_bytes, '\0');
  MK_OK(receive_all(fd, head.data(), head.size(), deadline));
  auto parsed = Json::parse(head);
  if (!parsed || !parsed->is_object()) return malformed();
  Frame frame{std::move(*parsed), std::string(rest_bytes, '\0')};
  MK_OK(receive_all(fd, frame.rest.data(), frame.rest.size(), deadline));
  return frame;
}

Json describe(const std::vector<Tensor>& tensors, std::vector<std::string>& packed_texts,
              std::vector<std::string_view>& chunks) {
  packed_texts.reserve(tensors.size());  // chunks point into it
  Json specs = Json::array();
  for (const auto& tensor : tensors) {
    if (tensor.type == DataType::kBytes) {
      std::string& packed = packed_texts.emplace_back();
      for (const auto& text : tensor.texts) {
        const auto length = static_cast<uint32_t>(text.size());
        packed.append(reinterpret_cast<const char*>(&length), sizeof length).append(text);
      }
      chunks.push_back(packed);
    } else {
      chunks.push_back(tensor.data.view());
    }
    Json shape = Json::array();
    for (const int64_t dimension : tensor.shape) shape.push_back(dimension);
    specs.push_back(Json::object({{"name", tensor.name},
                                  {"datatype", name_of(tensor.type)},
                                  {"shape", std::move(shape)},
                                  {"bytes", static_cast<uint64_t>(chunks.back().size())}}));
  }
  return specs;
}

Result<std::vector<Tensor>> parse_tensors(const Json& specs, std::string_view bytes) {
  std::vector<Tensor> tensors;
  for (const Json& spec : specs.items()) {
    const auto type = parse_data_type(spec["datatype"].text());
    const int64_t size = spec["bytes"].integer(-1);
    if (!type || size < 0 || static_cast<uint64_t>(size) > bytes.size()) return malformed();
    Tensor tensor{.name = std::string(spec["name"].text()), .type = *type};
    for (const Json& dimension : spec["shape"].items()) tensor.shape.push_back(dimension.integer(-1));
    const auto count = element_count(tensor.shape, "an output");
    if (!count) return malformed();
    const auto part = bytes.substr(0, static_cast<size_t>(size));
    bytes.remove_prefix(part.size());
    if (*type == DataType::kBytes) {
      MK_TRY(tensor.texts, parse_texts(part, *count));
    } else {
      if (part.size() != *count * size_of(*type)) return malformed();
      tensor.data = Buffer(part.size());
      if (!part.empty()) std::memcpy(tensor.data.data(), part.data(), part.size());
    }
    tensors.push_back(std::move(tensor));
  }
  if (!bytes.empty()) return malformed();
  return tensors;
}

std::vector<TensorSpec> parse_specs(const Json& specs) {
  std::vector<TensorSpec> out;
  for (const Json& spec : specs.items()) {
    const auto type = parse_data_type(spec["datatype"].text());
    if (!type || spec["shape"].size() > kRankMax) continue;
    TensorSpec parsed{.name = std::string(spec["name"].text()), .type = *type};
    for (const Json& dimension : spec["shape"].items()) parsed.shape.push_back(dimension.integer(-1));
    out.push_back(std::move(parsed));
  }
  return out;
}

}  // namespace mk::dataplane::python
