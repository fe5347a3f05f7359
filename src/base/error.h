// What went wrong, for whom, and what to do next. Every fallible call returns Result<T>.
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace mk {

// What a caller branches on. Protocols map these to their own codes (HTTP status, MLflow error_code, Kubernetes
// reason); nothing below api/ knows those.
enum class Code : uint8_t {
  kInvalidArgument,     // the input is wrong whatever the state; a user's mistake
  kNotFound,
  kAlreadyExists,
  kConflict,            // the state moved under the caller: read again, retry
  kFailedPrecondition,  // the input is fine, the state forbids it
  kUnauthenticated,
  kPermissionDenied,
  kTooLarge,            // a named bound was passed
  kResourceExhausted,   // quota or capacity; later may work
  kGone,                // a resourceVersion or page token that is too old
  kUnavailable,         // a peer, a process or the disk is away; retry may work
  kDeadlineExceeded,
  kCancelled,
  kUnimplemented,
  kInternal,            // our fault; the text never carries SQL, paths or peers' bytes
};

std::string_view code_name(Code code);

// One clear sentence (`message`: what and which), plus what to do next (`hint`, may be empty).
// `reason` is a stable snake_case word for machines; `field` the path of the bad field, e.g. "spec.replicas".
struct Error {
  Code code = Code::kInternal;
  std::string reason;
  std::string message;
  std::string hint = {};
  std::string field = {};

  Error with_hint(std::string text) && { hint = std::move(text); return std::move(*this); }
  Error at_field(std::string path) && { field = std::move(path); return std::move(*this); }
  // message and hint as one text, for protocols with a single message field.
  std::string sentence() const { return hint.empty() ? message : message + "; " + hint; }
};

template <typename T = void>
using Result = std::expected<T, Error>;
using Failure = std::unexpected<Error>;

inline Failure fail(Code code, std::string reason, std::string message) {
  return Failure(Error{code, std::move(reason), std::move(message)});
}
inline Failure fail(Error error) { return Failure(std::move(error)); }
inline Failure invalid(std::string message) {
  return fail(Code::kInvalidArgument, "invalid", std::move(message));
}

// Ends the process with a message when something that only this process controls is broken. Never on peer data.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace mk

#define MK_JOIN_INNER(a, b) a##b
#define MK_JOIN(a, b) MK_JOIN_INNER(a, b)
// MK_TRY(auto x, f());  - x = the value, or return the error.
#define MK_TRY(declaration, expression) \
  MK_TRY_INNER(MK_JOIN(mk_try_, __LINE__), declaration, expression)
#define MK_TRY_INNER(name, declaration, expression)                    \
  auto name = (expression);                                            \
  if (!name) return ::mk::Failure(std::move(name).error());            \
  declaration = std::move(*name)
// MK_OK(f());  - return the error of a Result<void>.
#define MK_OK(expression)                                                         \
  do {                                                                            \
    if (auto mk_ok_ = (expression); !mk_ok_) return ::mk::Failure(std::move(mk_ok_).error()); \
  } while (false)
#define MK_CHECK(condition) \
  do {                      \
    if (!(condition)) ::mk::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
