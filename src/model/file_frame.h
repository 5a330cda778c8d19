// The container of a file: the header, the compressed lines, the end record. Private to file.cc.
//
// A writer takes lines and hands bytes to a sink; a reader is fed bytes and hands lines on. Not
// thread-safe; each has one owner.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "model/file.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace plimsoll::model {

class FrameWriter {
 public:
  FrameWriter(FileKind kind, Sink sink);
  // One record, without its newline. `what` names it in an error.
  // Errors: not UTF-8, above the limit, the sink's.
  Result<void> line(std::string_view json, std::string_view what);
  // All lines so far reach the sink.
  Result<void> flush();
  // The end record and the end of the frame.
  Result<void> finish();

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  Result<void> start();
  enum class Then : std::uint8_t { go_on, flush, end };
  Result<void> compress(std::string_view bytes, Then then);

  FileKind kind_;
  Sink sink_;
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  std::vector<char> out_;
  Sha256 hash_;
  std::uint64_t records_ = 0;
  bool started_ = false;
};

class FrameReader {
 public:
  // Takes one record without its newline; `number` counts from 1. The error is of that line and
  // comes without the file's name.
  using OnLine = std::function<Result<void>(std::string_view line, std::uint64_t number)>;

  FrameReader(FileKind kind, std::string file, OnLine on_line);
  Result<void> feed(std::string_view bytes);
  // Errors: the file has not ended.
  Result<void> finish() const;

  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  // Takes what belongs to the header off `bytes`.
  Result<void> take_header(std::string_view& bytes);
  [[nodiscard]] Result<void> check_header(std::string_view text) const;
  Result<void> decompress(std::string_view bytes);
  Result<void> take_text(std::string_view text);
  Result<void> take_line(std::string_view line);

  FileKind kind_;
  std::string file_;
  OnLine on_line_;
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
  std::vector<char> out_;
  std::string header_;   // bytes of the skippable frame so far
  std::string partial_;  // a line whose newline has not come yet
  Sha256 hash_;
  std::uint64_t records_ = 0;
  bool in_frame_ = false;  // the header is complete
  bool end_record_ = false;
  bool frame_done_ = false;
};

}  // namespace plimsoll::model
