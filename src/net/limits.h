// Bounds of net/ that no caller sets; those that callers set are in server.h (Limits) and client.h.
#pragma once
#include <cstddef>
#include <cstdint>

namespace mk::net {

constexpr size_t kHeaderFieldsMax = 128;
constexpr size_t kQueryFieldsMax = 1'000;
constexpr size_t kReadBufferBytes = 8u << 10;        // of a new connection
constexpr size_t kReadBufferBytesMax = 64u << 10;    // for bodies; heads may need Limits::header_bytes_max
constexpr size_t kBodyReserveBytesMax = 256u << 10;  // what a Content-Length alone makes us allocate
// Wire bytes a chunked body may take for each byte it carries (a 1-byte chunk takes 6), plus a floor.
constexpr uint64_t kChunkOverheadMax = 16;
constexpr uint64_t kChunkOverheadFloor = 64u << 10;
// A refused body up to this size is read and thrown away so that the connection can go on; a longer one ends
// it.
constexpr uint64_t kDiscardBytesMax = 64u << 10;
// After the last reply on a connection that is being closed: how much, and how long, input is thrown away
// first, so that the client reads the reply instead of a reset.
constexpr uint64_t kLingerBytesMax = 4u << 20;
constexpr int64_t kLingerMs = 1'000;
// A deadline for progress is only moved by this many bytes at once, so one byte a minute does not hold a
// connection.
constexpr uint64_t kProgressBytes = 1u << 10;
constexpr size_t kJoinBytesMax =
    64u << 10;  // TLS: a body up to this is joined with its head into one record run
constexpr size_t kSmallFileBytes = 64u << 10;  // send_file reads these into memory: one system call less
constexpr size_t kSendFileStep = 512u << 10;   // bytes of a file before other connections get their turn
constexpr int64_t kAcceptPauseMs = 100;        // after running out of file descriptors
constexpr int64_t kDrainGraceMs = 300;  // draining: how long an idle connection may still send a request, and a new one come
constexpr size_t kUploadQueueBytes = 256u
                                     << 10;  // client: more waiting bytes of a streamed body pause the writer
constexpr size_t kResponseHeaderBytesMax = 64u << 10;

}  // namespace mk::net
