#pragma once
/// What becomes of inputs: bytes. Of one plain trace the process that decodes it makes them, and sends no records.
///
///     pal::OutputFile file{path};
///     Outlet out{file};
///     MyDigest digest{out};  // writes to `out`
///     const Digested made = digest_inputs({"run1"}, options, digest, out);

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tiffany/pal/byte_sink.hpp>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/output.hpp>
#include <tiffany/pal/record.hpp>
#include <vector>

#include "said_once.hpp"
#include "trace_reader.hpp"

namespace tiffany::ctf {

/// Takes the entries of one log, and makes bytes of them: as they come, or at the end.
class Digest {
  public:
    virtual ~Digest() = default;
    /// What takes them.
    virtual pal::EntrySink& entries() = 0;
    /// Called last, if all could be read.
    /// @return  how many broken rules it found
    virtual std::uint64_t finish(const ReadSummary& seen) = 0;
};

/// Where a digest writes to. What it has written can be told once more, by another reader: it is not written again.
/// Not shared between threads. Errors: those of the file; Error (system) if the two readers do not agree.
class Outlet : public pal::ByteSink {
  public:
    /// @param most_of_another  bytes that are taken of another process; where it sends more, all is done in this one
    explicit Outlet(pal::OutputFile& file, std::uint64_t most_of_another = std::numeric_limits<std::uint64_t>::max())
        : file_{file}, most_of_another_{most_of_another} {}

    void write(std::string_view bytes) override;
    /// From now on in this process it is `other` that gets what is written.
    void redirect(pal::ByteSink& other) { other_ = &other; }
    /// All that was written comes once more. To be called once at most.
    void again() { said_.again(); }
    /// Nothing more comes. Errors: Error (system) if less came than what was written by then.
    void finish() { said_.finish(); }
    /// Nothing more comes, because of `met`: what was written is the whole.
    /// Errors: `met`, as the cause, if less came than what was written by then.
    void finish_after(const Error& met) const;
    std::uint64_t most_of_another() const { return most_of_another_; }

  private:
    pal::OutputFile& file_;
    std::uint64_t most_of_another_;
    pal::ByteSink* other_ = nullptr;
    SaidOnce said_;
};

struct Digested {
    ReadSummary seen;
    std::uint64_t findings = 0;  ///< broken rules
};

/// Reads all inputs as read_inputs() does, into `digest`, which writes to `out`. One trace, unless babeltrace2 is asked
/// for, is read by the native reader in a process of its own, with all that the digest does; `digest` is then not
/// touched here. What that process sends must be text of lines. Where it comes to no good
/// end all is done once more as read_inputs() does it: in silence if the trace is not plain or cannot be read, which
/// that finds too; else `tell` is told. Errors: as read_inputs(), and those of `out`.
Digested digest_inputs(const std::vector<std::string>& inputs, const ReadOptions& options, Digest& digest, Outlet& out);

}  // namespace tiffany::ctf
