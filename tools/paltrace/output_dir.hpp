#pragma once
/// The directory that a recording goes into.

#include <cstdint>
#include <string>

namespace tiffany::paltrace {

/// Makes DIR, or takes an empty one, for its owner alone (0700): names of tasks may tell secrets.
/// Unless keep() is called, what was made is removed again: a recording that never began leaves nothing.
class OutputDir {
  public:
    /// @param asked  -o; empty = tiffany-<date-time> in the current directory
    /// Errors: ErrorKind::usage if it exists and is not empty, ErrorKind::system if it cannot be made or written, is a
    /// symbolic link, or is another user's where everybody can write.
    explicit OutputDir(const std::string& asked);
    ~OutputDir();
    OutputDir(const OutputDir&) = delete;
    OutputDir& operator=(const OutputDir&) = delete;

    /// As the user wrote it, for messages.
    const std::string& name() const noexcept { return name_; }
    /// Absolute.
    std::string path(const std::string& file = "") const;
    void keep() noexcept { keep_ = true; }

    /// Makes what is in it its owner's alone (0600, 0700): LTTng gives the group the right to write, whatever the
    /// umask. While it records nobody else comes that far, and later somebody copies it. What cannot be changed stays.
    void keep_to_owner() const noexcept;

    /// Room on its file system, in bytes; 0 if it cannot be asked.
    std::uint64_t free_bytes() const noexcept;
    /// Not one page is left there, for root not even of what is kept for root.
    bool has_no_room() const noexcept;

  private:
    void make_with_date();

    std::string name_;
    std::string absolute_;
    bool made_ = false;
    bool keep_ = false;
};

}  // namespace tiffany::paltrace
