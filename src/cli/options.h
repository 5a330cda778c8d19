// The options of one subcommand: each declared once, with its help, default and bounds; parsing,
// --help and the error lines come from the declaration. CLI11 stays behind this header.
//
//   Options options("plimsoll simulate openb", "Replay …", "plimsoll simulate openb --data …");
//   options.number("--arrival", flags.arrival, {.min = 0.01, .max = 10}, "GPU demand over
//   capacity"); TRY_VOID(options.parse(arguments));
//
// The variables hold the defaults and must outlive parse(). Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/bounds.h"

namespace plimsoll::cli {

class Options {
 public:
  Options(std::string command, std::string help, std::string example);
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  // Names as CLI11 writes them: "--out", "-o,--output", or "scenario" for a positional argument.
  void flag(const std::string& name, bool& value, const std::string& help);
  void text(const std::string& name, std::string& value, const std::string& help,
            const std::string& placeholder = "TEXT");
  void choice(const std::string& name, std::string& value, std::vector<std::string> allowed,
              const std::string& help);
  void integer(const std::string& name, std::int64_t& value, IntegerBounds bounds,
               const std::string& help);
  // Refuses nan and infinities.
  void number(const std::string& name, double& value, NumberBounds bounds, const std::string& help);
  // A value of any form: `set` gets the text as written and returns an error without the option's
  // name ("found 'x', expected …").
  void parsed(const std::string& name, const std::string& shown_default,
              const std::string& placeholder, const std::string& help,
              std::function<Result<void>(const std::string&)> set);
  // The option must be given.
  void required(const std::string& name);
  // Whether the command line gave it. After parse().
  [[nodiscard]] bool given(const std::string& name) const;
  // Called once parse() has read everything.
  void on_parsed(std::function<void()> then);
  // A paragraph after the options in --help.
  void footer(const std::string& text);

  // Errors, each one line: an unknown option (with a suggestion), a value out of its bounds.
  // True if help was asked for: print help() and be done.
  Result<bool> parse(const std::vector<std::string>& arguments);
  [[nodiscard]] std::string help() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plimsoll::cli
