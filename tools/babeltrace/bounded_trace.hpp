#pragma once
/// A trace through which babeltrace2 sees of its streams only the whole packets.
///
/// babeltrace2 refuses a stream file that ends in half a packet. It finds packets where LTTng's index says, if that
/// accounts for the whole file, and looks at no byte between them: an index whose last packet takes the rest of the
/// file, too, hides it. Nothing of a stream is copied, and the trace stays what it is.

#include <optional>
#include <string>
#include <vector>

#include "stream_end.hpp"

namespace tiffany::ctf {

/// A temporary directory with links to a trace's files, and indexes of our own for the streams that are cut. It lives
/// as long as this object. Not shared between threads.
class BoundedTrace {
  public:
    /// @param cut  as check_files found them in `trace`; a stream without a whole packet is left out
    /// Errors: ErrorKind::system if it cannot be made.
    BoundedTrace(const std::string& trace, const std::vector<StreamEnd>& cut);
    ~BoundedTrace();
    BoundedTrace(const BoundedTrace&) = delete;
    BoundedTrace& operator=(const BoundedTrace&) = delete;

    const std::string& directory() const { return home_; }

  private:
    std::string home_;
};

}  // namespace tiffany::ctf
