// A stored file as an answer: streamed from the disk, one byte range if asked for, and never shown inside our
// own origin: an attachment that the browser may not sniff, under a policy that lets nothing run.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "blob/blob.h"
#include "net/http.h"
#include "net/server.h"

namespace mk::api::mlflow {

// Sends the file, or MLflow's error form.
void send_stored_file(const blob::Blobs& blobs, const blob::Path& path, const net::Request& request,
                      net::Reply reply);

struct ByteRange {
  uint64_t first = 0, length = 0;
};
// "bytes=0-99", "bytes=100-", "bytes=-5" of a file of `size` bytes. Nothing when the header asks for none,
// for several or is no range at all (the whole file is sent then); length 0 when the range lies outside the
// file.
std::optional<ByteRange> parse_range(std::string_view header, uint64_t size);

// "text/csv" for data.csv; application/octet-stream for all that a browser would run.
std::string_view content_type_of(std::string_view name);
std::string disposition_of(std::string_view name);

}  // namespace mk::api::mlflow
