// Loads the report in a real browser: no error in its script, and its numbers on the page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "cli/output.h"
#include "cli/report/report.h"
#include "tests/browser/sample.h"

namespace plimsoll::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string output_of(const std::string& command) {
  std::string text;
  std::array<char, 4096> buffer{};
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) {
    return text;
  }
  for (std::size_t size = 0; (size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    text.append(buffer.data(), size);
  }
  pclose(pipe);
  return text;
}

class Browser : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "plimsoll_browser.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    chromium_ = output_of("command -v chromium");
    if (chromium_.empty()) {
      GTEST_SKIP() << "chromium is not installed: the report was not loaded in a browser";
    }
    chromium_.pop_back();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // What the page's document is once its script has run.
  std::string document(const std::string& page, const std::string& flags = "") {
    EXPECT_TRUE(write_file(folder_ + "/report.html", page));
    return output_of(fmt::format(
        "{} --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
        "--disable-dev-shm-usage --user-data-dir={}/profile --window-size=1280,2000 "
        "--virtual-time-budget=3000 {} --dump-dom file://{}/report.html 2>{}/log",
        chromium_, folder_, flags, folder_, folder_));
  }

  std::string folder_;
  std::string chromium_;
};

// Notes script errors and refused requests in the document, where --dump-dom shows them.
std::string watched(std::string page) {
  const std::string watch =
      "<script>window.addEventListener('error', (event) => { document.documentElement.dataset."
      "error = event.message; }); document.addEventListener('securitypolicyviolation', (event) => "
      "{ document.documentElement.dataset.error = event.violatedDirective; });</script>";
  return page.insert(page.find("<title>"), watch);
}

TEST_F(Browser, DrawsTheReportWithoutErrors) {
  const std::string page =
      watched(report_html(sample_result(), {.title = hostile_name, .command = "plimsoll demo"}));
  for (const char* flags : {"", "--blink-settings=preferredColorScheme=0"}) {
    const std::string dom = document(page, flags);
    ASSERT_THAT(dom, HasSubstr("</html>"));
    EXPECT_THAT(dom, Not(HasSubstr("data-error")));
    // Three timelines, two distributions and a heat map for each of three policies.
    EXPECT_THAT(dom, HasSubstr("data-drawn=\"8\""));
    for (const char* part : {"72.0 %", "vanilla: 63.3 %", "+8.7 points, better", "1 h 8 min",
                             "<path class=\"line\"", "Heat map of 200 GPUs under plimsoll"}) {
      EXPECT_THAT(dom, HasSubstr(part));
    }
    EXPECT_THAT(dom, Not(HasSubstr("<title>broken</title>")));
  }
}

TEST_F(Browser, TheWatchSeesErrors) {
  const std::string dom = document(watched(
      "<html><head><meta http-equiv=\"Content-Security-Policy\" content=\"script-src "
      "'unsafe-inline'\"><title>t</title></head><body><script>nothing.here();</script></body>"
      "</html>"));
  EXPECT_THAT(dom, HasSubstr("data-error=\"Uncaught ReferenceError: nothing is not defined\""));
}

TEST_F(Browser, AReportWithoutPicturesDrawsToo) {
  StudyResult result = sample_result();
  for (PolicyResult& policy : result.policies) {
    policy.runs.front().picture.reset();
  }
  const std::string dom = document(watched(report_html(result, {.title = "t"})));
  EXPECT_THAT(dom, HasSubstr("data-drawn=\"0\""));
  EXPECT_THAT(dom, Not(HasSubstr("data-error")));
}

}  // namespace
}  // namespace plimsoll::cli
