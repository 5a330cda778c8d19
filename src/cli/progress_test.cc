#include "cli/progress.h"

#include <gtest/gtest.h>

namespace plimsoll::cli {
namespace {

TEST(Progress, Line) {
  EXPECT_EQ(progress_line("openb", 0, 0, 80), "openb [                              ]   0%  ");
  EXPECT_EQ(progress_line("openb", 0.5, 65, 80),
            "openb [===============               ]  50%  1:05 left");
  EXPECT_EQ(progress_line("openb", 0.25, 1800, 80),
            "openb [=======                       ]  25%  1:30:00 left");
  EXPECT_EQ(progress_line("openb", 2, 5, 80),
            "openb [==============================] 100%  0:00 left");
}

TEST(Progress, LineFitsTheTerminal) {
  for (int columns = 1; columns < 100; ++columns) {
    EXPECT_LT(static_cast<int>(progress_line("a long label of a study", 0.3, 5, columns).size()),
              columns);
  }
}

TEST(Progress, DrawsAndWipesOnATerminal) {
  std::string screen;
  Progress progress([&](std::string_view text) { screen += text; }, 60);
  progress.start("jobs", 2);
  progress.update(0, 1.0);
  EXPECT_NE(screen.find("jobs ["), std::string::npos);
  EXPECT_NE(screen.find(" 50%"), std::string::npos);
  progress.finish();
  EXPECT_TRUE(screen.ends_with("\r\x1b[K"));
}

TEST(Progress, NothingInAPipe) {
  testing::internal::CaptureStderr();  // a file, so not a terminal
  {
    Progress progress = Progress::on_terminal();
    progress.start("jobs", 1);
    progress.update(0, 0.5);
    progress.update(0, 1);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace plimsoll::cli
