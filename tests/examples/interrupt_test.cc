// What only the real program can show: Ctrl-C ends it with 130 and leaves no file half written, and
// output that cannot be written ends it with 1.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace {

// Whether the process has a handler for SIGINT by now.
bool catches_interrupts(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string word; status >> word;) {
    if (word == "SigCgt:") {
      status >> word;
      return ((std::stoull(word, nullptr, 16) >> (SIGINT - 1)) & 1) != 0;
    }
  }
  return false;
}

TEST(Interrupt, EndsWith130AndLeavesNothingBehind) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("plimsoll_interrupt." + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const std::string out = folder / "result.json";
  const std::string report = folder / "report.html";
  const pid_t child = fork();
  if (child == 0) {
    // Far more runs than can end before the signal.
    execl(PLIMSOLL_PROGRAM, "plimsoll", "simulate", "examples/generated.yaml", "--seeds", "1-5000",
          "--threads", "2", "--out", out.c_str(), "--report", report.c_str(), nullptr);
    _exit(127);
  }
  ASSERT_GT(child, 0);
  while (!catches_interrupts(child)) {
    ASSERT_EQ(waitpid(child, nullptr, WNOHANG), 0) << "it ended before it could be stopped";
    std::this_thread::yield();
  }
  ASSERT_EQ(kill(child, SIGINT), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

TEST(Output, ThatCannotBeWrittenEndsWith1) {
  for (const char* arguments : {"--help", "--version", "simulate jobs --help"}) {
    const std::string command =
        std::string(PLIMSOLL_PROGRAM) + " " + arguments + " >/dev/full 2>/dev/null";
    const int status = std::system(command.c_str());
    EXPECT_TRUE(WIFEXITED(status)) << command;
    EXPECT_EQ(WEXITSTATUS(status), 1) << command;
  }
}

}  // namespace
