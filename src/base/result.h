// Errors as values: Result<T>, the TRY macro, and check() for our own broken invariants.
//
// What the outside does (files, flags, API servers) is returned as an Error. A broken invariant of
// our own aborts with a message, in release builds too. Thread-safe: everything here is a value.
#pragma once

#include <expected>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace plimsoll {

// Maps one to one onto the exit codes that docs/architecture.md promises.
enum class ErrorCode {
  failed,     // it could not be done (exit 1)
  bad_input,  // a file, a flag or a field is wrong (exit 2)
};

// One line for a person: the file, line or field, what was found, what was expected.
struct Error {
  ErrorCode code = ErrorCode::failed;
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

template <typename T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> failed(std::string message) {
  return std::unexpected(Error{ErrorCode::failed, std::move(message)});
}
[[nodiscard]] inline std::unexpected<Error> bad_input(std::string message) {
  return std::unexpected(Error{ErrorCode::bad_input, std::move(message)});
}

// Ends the process with `what` and the caller's place; used by check() and unreachable branches.
[[noreturn]] void broken_invariant(std::string_view what,
                                   std::source_location where = std::source_location::current());

// Aborts unless `holds`. For our own invariants only, never for what the outside sent.
inline void check(bool holds, std::string_view what,
                  std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]] {
    broken_invariant(what, where);
  }
}

}  // namespace plimsoll

// TRY(expression): the value of a Result, or return its Error from the calling function.
#define TRY(expression)                                           \
  ({                                                              \
    auto&& plimsoll_result = (expression);                        \
    if (!plimsoll_result.has_value()) {                           \
      return std::unexpected(std::move(plimsoll_result).error()); \
    }                                                             \
    *std::move(plimsoll_result);                                  \
  })

// TRY_VOID(expression): the same for a Result<void>.
#define TRY_VOID(expression)                                      \
  do {                                                            \
    auto&& plimsoll_result = (expression);                        \
    if (!plimsoll_result.has_value()) {                           \
      return std::unexpected(std::move(plimsoll_result).error()); \
    }                                                             \
  } while (false)
