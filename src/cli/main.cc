#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/parallel.h"

int main(int argc, char** argv) {
  plimsoll::cli::handle_interrupts();
  return plimsoll::cli::run_command_line({argv + 1, argv + argc});
}
