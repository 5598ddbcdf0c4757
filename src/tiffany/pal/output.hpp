#pragma once
/// Where a log's bytes go: a file that appears under its name only when it is whole.
///
///     OutputFile file{"run.pal.zst"};   // written without a name, compressed because of its name
///     LogWriter writer{file};
///     ...                               // begin, record, gap, end
///     file.commit();                    // now run.pal.zst is there; without this nothing is
///
/// Errors name the file and the cause (ErrorKind::system).

#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <tiffany/pal/byte_sink.hpp>  // IWYU pragma: export

namespace tiffany::pal {

/// A file, or the standard output for `-`. Not shared between threads.
///
/// A name that ends in `.zst` is compressed (zstd level 1). A target that exists and is no regular file (/dev/null, a
/// fifo) is written directly. The file has mode 0600 and replaces one of that name; a symbolic link to a regular file
/// is refused, because it may be somebody else's.
///
/// While a file is written it takes room on the disk for as much again as it has, at most 64 MiB, so that the kernel
/// looks for it seldom; `commit` gives back what was not needed.
class OutputFile : public ByteSink {
  public:
    explicit OutputFile(const std::string& path);
    /// The same, with `standard_output` in the place of std::cout.
    OutputFile(const std::string& path, std::ostream& standard_output);
    ~OutputFile() override;  ///< what was not committed is gone, also when the process is killed
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    void write(std::string_view bytes) override;
    /// The file is whole: puts it under its name. Call once; nothing is written after it.
    void commit();

  private:
    class Target;
    class Compressor;
    std::unique_ptr<Target> target_;
    std::unique_ptr<Compressor> compressor_;  // null: plain
};

/// The last thing that a program does: flushes std::cout and sees whether all that was printed was taken.
/// Errors: ErrorKind::system with the cause.
void flush_standard_output();

}  // namespace tiffany::pal
