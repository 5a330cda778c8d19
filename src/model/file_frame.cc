#include "model/file_frame.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace plimsoll::model {
namespace {

// One of the sixteen magic numbers of a zstd skippable frame (RFC 8878, section 3.1.2).
constexpr std::uint32_t skippable_magic = 0x184D2A5CU;
constexpr std::size_t frame_head_bytes = 8;  // magic and size, both little endian
constexpr std::size_t header_bytes_max = 64;
constexpr std::string_view program = "plimsoll ";
constexpr std::array<std::string_view, 3> kind_names{"snapshot", "plan", "journal"};
constexpr int compression_level = 3;

std::string_view name_of(FileKind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

std::string little_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) {
    bytes += static_cast<char>(value >> shift & 0xffU);
  }
  return bytes;
}

std::uint32_t from_little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  }
  return value;
}

std::string end_line(std::uint64_t records, const Sha256& hash) {
  return fmt::format(R"({{"end":{{"records":{},"sha256":"{}"}}}})", records, hash.hex());
}

// A piece of somebody else's text, safe to show on one line.
std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, 40)) {
    result += c >= ' ' && c <= '~' ? c : '?';
  }
  return '"' + result + (text.size() > 40 ? "…" : "") + '"';
}

}  // namespace

std::optional<FileKind> file_kind(std::string_view beginning) {
  if (!beginning.starts_with(little_endian(skippable_magic)) ||
      beginning.size() < frame_head_bytes) {
    return std::nullopt;
  }
  const std::size_t size = from_little_endian(beginning.substr(4));
  std::string_view text = beginning.substr(frame_head_bytes);
  if (size > header_bytes_max || text.size() < size || !text.starts_with(program)) {
    return std::nullopt;
  }
  text = text.substr(program.size(), size - std::min(size, program.size()));
  const auto kind = std::ranges::find(kind_names, text.substr(0, text.find(' ')));
  if (kind == kind_names.end()) {
    return std::nullopt;
  }
  return static_cast<FileKind>(kind - kind_names.begin());
}

void FrameWriter::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }
void FrameReader::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

FrameWriter::FrameWriter(FileKind kind, Sink sink)
    : kind_(kind),
      sink_(std::move(sink)),
      context_(ZSTD_createCCtx()),
      out_(ZSTD_CStreamOutSize()) {
  check(context_ != nullptr, "zstd gave no compression context");
  const auto set = [&](ZSTD_cParameter parameter, int value) {
    check(ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), parameter, value)) == 0,
          "zstd takes our parameters");
  };
  set(ZSTD_c_compressionLevel, compression_level);
  set(ZSTD_c_checksumFlag, 1);
}

Result<void> FrameWriter::start() {
  started_ = true;
  const std::string text = fmt::format("{}{} {}\n", program, name_of(kind_), file_version);
  return sink_(little_endian(skippable_magic) +
               little_endian(static_cast<std::uint32_t>(text.size())) + text);
}

Result<void> FrameWriter::line(std::string_view json, std::string_view what) {
  if (!simdjson::validate_utf8(json.data(), json.size())) {
    return bad_input(fmt::format("{}: found text that is not UTF-8, expected UTF-8", what));
  }
  if (json.size() > file_line_bytes_max) {
    return bad_input(fmt::format("{}: found {} bytes, expected {} at most in one record", what,
                                 json.size(), file_line_bytes_max));
  }
  if (records_ == file_records_max) {
    return bad_input(fmt::format("{}: expected {} records at most", what, file_records_max));
  }
  if (!started_) {
    TRY_VOID(start());
  }
  ++records_;
  hash_.update(json);
  hash_.update("\n");
  TRY_VOID(compress(json, Then::go_on));
  return compress("\n", Then::go_on);
}

Result<void> FrameWriter::finish() {
  if (!started_) {
    TRY_VOID(start());
  }
  return compress(end_line(records_, hash_) + "\n", Then::end);
}

Result<void> FrameWriter::flush() {
  if (!started_) {
    TRY_VOID(start());
  }
  return compress("", Then::flush);
}

Result<void> FrameWriter::compress(std::string_view bytes, Then then) {
  const ZSTD_EndDirective directive = then == Then::end     ? ZSTD_e_end
                                      : then == Then::flush ? ZSTD_e_flush
                                                            : ZSTD_e_continue;
  ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
  while (true) {
    ZSTD_outBuffer output{out_.data(), out_.size(), 0};
    const std::size_t left = ZSTD_compressStream2(context_.get(), &output, &input, directive);
    check(ZSTD_isError(left) == 0, "zstd compresses what it is given");
    if (output.pos > 0) {
      TRY_VOID(sink_(std::string_view(out_.data(), output.pos)));
    }
    if (then == Then::go_on ? input.pos == input.size : left == 0) {
      return {};
    }
  }
}

FrameReader::FrameReader(FileKind kind, std::string file, OnLine on_line)
    : kind_(kind),
      file_(std::move(file)),
      on_line_(std::move(on_line)),
      context_(ZSTD_createDCtx()),
      out_(ZSTD_DStreamOutSize()) {
  check(context_ != nullptr, "zstd gave no decompression context");
  check(ZSTD_isError(
            ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, file_window_log_max)) == 0,
        "zstd takes our window limit");
}

Result<void> FrameReader::feed(std::string_view bytes) {
  if (!in_frame_) {
    TRY_VOID(take_header(bytes));
  }
  return bytes.empty() ? Result<void>() : decompress(bytes);
}

Result<void> FrameReader::take_header(std::string_view& bytes) {
  const auto no_header = [&] {
    return bad_input(fmt::format("{}: found no plimsoll header, expected a {} that plimsoll wrote",
                                 file_, name_of(kind_)));
  };
  const auto take_until = [&](std::size_t size) {
    const auto more = std::min(bytes.size(), size - header_.size());
    header_ += bytes.substr(0, more);
    bytes.remove_prefix(more);
    return header_.size() == size;
  };
  if (header_.size() < frame_head_bytes && !take_until(frame_head_bytes)) {
    const std::string magic = little_endian(skippable_magic);
    return magic.starts_with(header_.substr(0, 4)) ? Result<void>() : no_header();
  }
  const std::size_t size = from_little_endian(std::string_view(header_).substr(4));
  if (from_little_endian(header_) != skippable_magic || size < program.size() ||
      size > header_bytes_max) {
    return no_header();
  }
  if (!take_until(frame_head_bytes + size)) {
    return {};
  }
  const std::string_view text = std::string_view(header_).substr(frame_head_bytes);
  if (!text.starts_with(program) || !text.ends_with('\n')) {
    return no_header();
  }
  in_frame_ = true;
  return check_header(text.substr(0, text.size() - 1));
}

// `text` is "plimsoll KIND VERSION".
Result<void> FrameReader::check_header(std::string_view text) const {
  const std::string_view rest = text.substr(program.size());
  const auto space = std::min(rest.find(' '), rest.size());
  const std::string_view kind = rest.substr(0, space);
  const std::string_view digits = rest.substr(std::min(space + 1, rest.size()));
  std::int32_t version = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), version);
  if (error != std::errc() || end != digits.data() + digits.size() || version < 1) {
    return bad_input(fmt::format("{}: header: found {}, expected \"plimsoll {} {}\"", file_,
                                 shown(text), name_of(kind_), file_version));
  }
  if (version > file_version) {
    return bad_input(
        fmt::format("{}: version {} is newer than this plimsoll understands ({}); read it with the "
                    "plimsoll that "
                    "wrote it, or a newer one",
                    file_, version, file_version));
  }
  if (kind != name_of(kind_)) {
    return bad_input(std::ranges::find(kind_names, kind) != kind_names.end()
                         ? fmt::format("{}: found a {}, expected a {}", file_, kind, name_of(kind_))
                         : fmt::format("{}: header: found {}, expected \"plimsoll {} {}\"", file_,
                                       shown(text), name_of(kind_), file_version));
  }
  return {};
}

Result<void> FrameReader::decompress(std::string_view bytes) {
  ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer output{out_.data(), out_.size(), 0};
  while (input.pos < input.size || output.pos == output.size) {
    if (frame_done_) {
      return bad_input(fmt::format("{}: found bytes after the end, expected none", file_));
    }
    output.pos = 0;
    const std::size_t left = ZSTD_decompressStream(context_.get(), &output, &input);
    if (ZSTD_isError(left) != 0) {
      return bad_input(fmt::format("{}: after {} lines: the compressed data is damaged ({})", file_,
                                   records_, ZSTD_getErrorName(left)));
    }
    TRY_VOID(take_text(std::string_view(out_.data(), output.pos)));
    if (left == 0) {
      frame_done_ = true;
      output.pos = 0;
    }
  }
  return {};
}

Result<void> FrameReader::take_text(std::string_view text) {
  while (!text.empty()) {
    const auto newline = std::min(text.find('\n'), text.size());
    if (partial_.size() + newline > file_line_bytes_max) {
      return bad_input(fmt::format("{}:{}: found more than {} bytes, expected a shorter line",
                                   file_, records_ + 1, file_line_bytes_max));
    }
    if (newline == text.size()) {
      partial_ += text;
      return {};
    }
    if (partial_.empty()) {
      TRY_VOID(take_line(text.substr(0, newline)));
    } else {
      partial_ += text.substr(0, newline);
      TRY_VOID(take_line(partial_));
      partial_.clear();
    }
    text.remove_prefix(newline + 1);
  }
  return {};
}

Result<void> FrameReader::take_line(std::string_view line) {
  if (end_record_) {
    return bad_input(fmt::format("{}:{}: found a line after the end record, expected none", file_,
                                 records_ + 2));
  }
  if (line.starts_with(R"({"end":)")) {
    if (line != end_line(records_, hash_)) {
      return bad_input(
          fmt::format("{}:{}: the end record does not match the {} lines before it: they were "
                      "changed, or some are "
                      "missing",
                      file_, records_ + 1, records_));
    }
    end_record_ = true;
    return {};
  }
  if (records_ == file_records_max) {
    return bad_input(fmt::format("{}: expected {} records at most", file_, file_records_max));
  }
  ++records_;
  hash_.update(line);
  hash_.update("\n");
  auto result = on_line_(line, records_);
  if (!result) {
    return bad_input(fmt::format("{}:{}: {}", file_, records_, result.error().message));
  }
  return {};
}

Result<void> FrameReader::finish() const {
  if (header_.empty()) {
    return bad_input(fmt::format("{}: found an empty file, expected a {}", file_, name_of(kind_)));
  }
  if (!in_frame_ || !frame_done_) {
    return bad_input(fmt::format("{}: the file is cut off after {} lines", file_, records_));
  }
  if (!end_record_ || !partial_.empty()) {
    return bad_input(
        fmt::format("{}: found no end record after {} lines, expected one", file_, records_));
  }
  return {};
}

}  // namespace plimsoll::model
