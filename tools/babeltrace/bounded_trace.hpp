#pragma once
/// A trace through which babeltrace2 sees of its streams only the whole packets (whole_index.hpp). Nothing of a stream
/// is copied, and the trace stays what it is.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace tiffany::ctf {

/// A temporary directory with links to a trace's files, and indexes of our own for the streams that are cut. It lives
/// as long as this object. Not shared between threads.
class BoundedTrace {
  public:
    /// Of all indexes: 3 million packets, of a trace of 12 GB at least. What a file could hold is no bound: one with
    /// holes is as long as it likes.
    static constexpr std::uint64_t kMostIndexBytes = std::uint64_t{256} << 20;

    /// Errors: ErrorKind::system if it cannot be made.
    explicit BoundedTrace(std::string trace, std::uint64_t most_index_bytes = kMostIndexBytes);
    ~BoundedTrace();
    BoundedTrace(const BoundedTrace&) = delete;
    BoundedTrace& operator=(const BoundedTrace&) = delete;

    /// A stream of the trace is cut. One of which no index comes is left out.
    /// @param stream  its file's name; who decodes the trace says it, and is not trusted
    /// @param index   the next bytes of an index of its whole packets, which nobody looks at here
    /// Errors: Error if there is no such file, or its packets could not be so many, or all indexes are more than
    /// `most_index_bytes`; or it cannot be written (system).
    void add(std::string_view stream, std::string_view index);
    /// Links everything else. Errors: ErrorKind::system.
    void link_all() const;

    const std::string& directory() const { return home_; }

  private:
    void append(std::string_view stream, std::string_view index, std::uint64_t& bytes);

    std::string trace_;
    std::string home_;
    std::uint64_t most_index_bytes_;
    std::map<std::string, std::uint64_t, std::less<>> cut_;  // stream -> bytes of its index
    std::uint64_t bytes_ = 0;                                // of all indexes
};

}  // namespace tiffany::ctf
