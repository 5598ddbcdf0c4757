#pragma once
/// Bytes of a log, decompressed if they are compressed. Private to pal.

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tiffany::pal {

/// A file, or the standard input for `-`. Not shared between threads.
class InputFile {
  public:
    /// Errors: ErrorKind::system, "cannot read PATH: cause".
    explicit InputFile(const std::string& path);
    ~InputFile();
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;

    /// Fills `into` from its front. Returns how many bytes; fewer than asked for is possible, 0 is the end.
    /// Errors: what the system says (ErrorKind::system); compressed data that is corrupt or cut (ErrorKind::content).
    std::size_t read(std::span<char> into);
    /// From any thread: a read that is under way, and each later one, of compressed data is at its end soon. Data can
    /// be gigabytes that hold no text.
    void stop() { stopped_ = true; }
    /// Whether it is a file on a disk: it has all its bytes, and no read of it waits for somebody.
    bool is_regular() const { return is_regular_; }

  private:
    class Decompressor;

    std::size_t read_raw(std::span<char> into);
    void sniff();

    std::string name_;
    int fd_ = -1;
    bool is_regular_ = false;
    bool sniffed_ = false;
    std::atomic<bool> stopped_ = false;
    std::vector<char> front_;  // read while looking for the magic number, not handed out yet
    std::size_t front_used_ = 0;
    std::unique_ptr<Decompressor> decompressor_;  // null: plain
};

/// Whether a file that begins with these bytes is compressed by zstd.
bool has_zstd_magic(std::span<const char> front);

}  // namespace tiffany::pal
