#pragma once
/// Text of others for a terminal.

#include <streambuf>
#include <string>
#include <string_view>

namespace tiffany::paltrace {

/// The text with `?` for each control character, which would act on the terminal: of ASCII, of Unicode's C1, and those
/// that turn the direction of what stands around them (U+202E and its like), so that a name shows as another.
/// @param lines  newlines stay as they are
std::string printable(std::string_view text, bool lines = false);

/// Puts itself before a stream's buffer, for as long as it lives: what is written arrives printable. What is talk,
/// names of files and tasks in it included, goes through one. Not shared between threads.
class PrintableStream : public std::streambuf {
  public:
    explicit PrintableStream(std::ostream& stream);
    ~PrintableStream() override;
    PrintableStream(const PrintableStream&) = delete;
    PrintableStream& operator=(const PrintableStream&) = delete;

  protected:
    int_type overflow(int_type byte) override;
    std::streamsize xsputn(const char* text, std::streamsize bytes) override;
    int sync() override;

  private:
    std::ostream& stream_;
    std::streambuf* to_;
};

}  // namespace tiffany::paltrace
