#include "api/mlflow/file_reply.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "api/mlflow/reply.h"
#include "base/encoding.h"
#include "base/format.h"

namespace mk::api::mlflow {
namespace {

struct Type {
  std::string_view ending, type;
};
// What MLflow's page previews as text or picture. HTML, SVG and XML are left out on purpose.
constexpr std::array kTypes = {
    Type{".txt", "text/plain"},
    Type{".log", "text/plain"},
    Type{".md", "text/plain"},
    Type{".py", "text/plain"},
    Type{".yaml", "text/plain"},
    Type{".yml", "text/plain"},
    Type{".ini", "text/plain"},
    Type{".toml", "text/plain"},
    Type{".cfg", "text/plain"},
    Type{"MLmodel", "text/plain"},
    Type{"MLproject", "text/plain"},
    Type{".csv", "text/csv"},
    Type{".tsv", "text/tab-separated-values"},
    Type{".json", "application/json"},
    Type{".png", "image/png"},
    Type{".jpg", "image/jpeg"},
    Type{".jpeg", "image/jpeg"},
    Type{".gif", "image/gif"},
    Type{".webp", "image/webp"},
    Type{".pdf", "application/pdf"},
    Type{".zip", "application/zip"},
    Type{".gz", "application/gzip"},
    Type{".mp4", "video/mp4"},
    Type{".wav", "audio/wav"},
};

std::optional<uint64_t> whole_number(std::string_view text) {
  uint64_t value = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string_view content_type_of(std::string_view name) {
  for (const Type& known : kTypes) {
    if (name.ends_with(known.ending)) return known.type;
  }
  return "application/octet-stream";
}

std::string disposition_of(std::string_view name) {
  std::string plain;
  bool ascii = true;
  for (char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    ascii = ascii && byte < 0x80;
    plain += byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\' ? '_' : c;
  }
  std::string out = fmt::format("attachment; filename=\"{}\"", plain);
  if (!ascii) out += fmt::format("; filename*=UTF-8''{}", percent_encode(name));
  return out;
}

std::optional<ByteRange> parse_range(std::string_view header, uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return std::nullopt;
  header.remove_prefix(kUnit.size());
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return std::nullopt;
  const auto first = whole_number(header.substr(0, dash));
  const auto last = whole_number(header.substr(dash + 1));
  if (!first && dash == 0 && last) {  // the last N bytes
    const uint64_t length = std::min(*last, size);
    return ByteRange{size - length, length};
  }
  if (!first || (!last && dash + 1 != header.size()) || (last && *last < *first)) return std::nullopt;
  if (*first >= size) return ByteRange{0, 0};
  const uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  return ByteRange{*first, end - *first + 1};
}

void send_stored_file(const blob::Blobs& blobs, const blob::Path& path, const net::Request& request,
                      net::Reply reply) {
  if (path.is_root()) return reply.send(error_reply(invalid("the path of a file is missing").error()));
  auto file = blobs.open(path);
  if (!file) return reply.send(error_reply(file.error()));
  net::Response head;
  head.headers = {{"Content-Type", std::string(content_type_of(path.name()))},
                  {"Content-Disposition", disposition_of(path.name())},
                  {"Content-Security-Policy", "default-src 'none'; sandbox"},
                  {"Cache-Control", "no-cache"},
                  {"Accept-Ranges", "bytes"}};
  const auto range = parse_range(request.headers.get("Range"), file->bytes);
  if (!range) return reply.send_file(std::move(head), file->fd, 0, file->bytes);
  if (range->length == 0) {
    head.status = 416;
    head.headers.add("Content-Range", fmt::format("bytes */{}", file->bytes));
    return reply.send_file(std::move(head), file->fd, 0, 0);
  }
  head.status = 206;
  head.headers.add("Content-Range", fmt::format("bytes {}-{}/{}", range->first,
                                                range->first + range->length - 1, file->bytes));
  reply.send_file(std::move(head), file->fd, range->first, range->length);
}

}  // namespace mk::api::mlflow
