#include "cli/options.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "cli/suggest.h"

namespace plimsoll::cli {
namespace {

constexpr std::size_t help_column = 34;

}  // namespace

struct Options::State {
  struct Declared {
    CLI::Option* option = nullptr;
    std::string text;
    std::function<Result<void>(const std::string&)> set;
  };

  explicit State(std::string help) : app(std::move(help)) {}

  CLI::App app;
  std::string example;
  std::string footer;
  std::vector<std::string> order;
  std::map<std::string, Declared> declared;
  std::vector<std::pair<CLI::Option*, bool*>> flags;
  std::vector<std::function<void()>> then;

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) {
        all.push_back("--" + name);
      }
    }
    return all;
  }
};

Options::Options(std::string command, std::string help, std::string example)
    : state_(std::make_unique<State>(std::move(help))) {
  state_->app.name(std::move(command));
  state_->app.set_help_flag("-h,--help", "Print this help");
  state_->app.allow_extras();
  state_->app.get_formatter()->column_width(help_column);
  state_->app.get_formatter()->label("Usage", "usage");
  state_->app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  state_->example = std::move(example);
}

Options::~Options() = default;

void Options::flag(const std::string& name, bool& value, const std::string& help) {
  state_->flags.emplace_back(state_->app.add_flag(name, help), &value);
}

void Options::parsed(const std::string& name, const std::string& shown_default,
                     const std::string& placeholder, const std::string& help,
                     std::function<Result<void>(const std::string&)> set) {
  State::Declared& declared = state_->declared[name];
  declared.set = std::move(set);
  const std::string shown =
      shown_default.empty() ? help : fmt::format("{} [{}]", help, shown_default);
  declared.option = state_->app.add_option(name, declared.text, shown)->type_name(placeholder);
  declared.option->expected(1);
  state_->order.push_back(name);
}

void Options::text(const std::string& name, std::string& value, const std::string& help,
                   const std::string& placeholder) {
  parsed(name, value, placeholder, help, [&value](const std::string& given) -> Result<void> {
    value = given;
    return {};
  });
}

void Options::choice(const std::string& name, std::string& value, std::vector<std::string> allowed,
                     const std::string& help) {
  const std::string placeholder = fmt::format("{}", fmt::join(allowed, "|"));
  parsed(name, value, placeholder, help,
         [&value, allowed = std::move(allowed)](const std::string& given) -> Result<void> {
           if (std::find(allowed.begin(), allowed.end(), given) == allowed.end()) {
             return bad_input(fmt::format("found '{}', expected one of {}{}", given,
                                          fmt::join(allowed, ", "), suggestion(given, allowed)));
           }
           value = given;
           return {};
         });
}

void Options::integer(const std::string& name, std::int64_t& value, IntegerBounds bounds,
                      const std::string& help) {
  parsed(name, fmt::format("{}", value), "N", help,
         [&value, bounds](const std::string& given) -> Result<void> {
           value = TRY(parse_integer(given, bounds));
           return {};
         });
}

void Options::number(const std::string& name, double& value, NumberBounds bounds,
                     const std::string& help) {
  parsed(name, fmt::format("{}", value), "X", help,
         [&value, bounds](const std::string& given) -> Result<void> {
           value = TRY(parse_number(given, bounds));
           return {};
         });
}

void Options::required(const std::string& name) { state_->declared.at(name).option->required(); }

bool Options::given(const std::string& name) const {
  return state_->declared.at(name).option->count() > 0;
}

void Options::footer(const std::string& text) { state_->footer = text; }

Result<bool> Options::parse(const std::vector<std::string>& arguments) {
  const std::string command = state_->app.get_name();
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    state_->app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return true;
  } catch (const CLI::ParseError& error) {
    std::string line = error.what();
    line = line.substr(0, line.find('\n'));
    return bad_input(fmt::format("{}: {} (see {} --help)", command, line, command));
  }
  const std::vector<std::string> extra = state_->app.remaining();
  if (!extra.empty()) {
    const std::string word = extra.front().substr(0, extra.front().find('='));
    if (word.starts_with('-')) {
      return bad_input(fmt::format("{}: unknown option '{}'{} (see {} --help)", command, word,
                                   suggestion(word, state_->names()), command));
    }
    return bad_input(
        fmt::format("{}: unexpected argument '{}' (see {} --help)", command, word, command));
  }
  for (const std::string& name : state_->order) {
    const State::Declared& declared = state_->declared.at(name);
    if (declared.option->count() == 0) {
      continue;
    }
    if (declared.option->count() > 1) {
      return bad_input(fmt::format("{}: {}: found {} times, expected once", command,
                                   declared.option->get_name(), declared.option->count()));
    }
    if (Result<void> done = declared.set(declared.text); !done) {
      Error error = std::move(done).error();
      error.message = fmt::format("{}: {}", declared.option->get_name(), error.message);
      return std::unexpected(std::move(error));
    }
  }
  for (const auto& [option, value] : state_->flags) {
    *value = *value || option->count() > 0;
  }
  for (const std::function<void()>& then : state_->then) {
    then();
  }
  return false;
}

void Options::on_parsed(std::function<void()> then) { state_->then.push_back(std::move(then)); }

std::string Options::help() const {
  std::string text = state_->app.help();
  if (!state_->footer.empty()) {
    text += "\n" + state_->footer + "\n";
  }
  return text + "\nExample:\n  " + state_->example + "\n";
}

}  // namespace plimsoll::cli
