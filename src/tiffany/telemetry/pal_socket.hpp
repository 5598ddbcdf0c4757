#pragma once
/// The log for live readers: a listening unix socket, and a stream of its own for each who connects.

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "locked_file.hpp"
#include "log_counters.hpp"
#include "pal_stream.hpp"
#include "pal_target.hpp"

namespace tiffany::detail {

class PalSocket : public PalTarget {
  public:
    struct Place {
        std::string name;       ///< as it is to be
        std::uint32_t pid = 0;  ///< is added where the name is taken
        bool add_pid = false;   ///< is added in any case
    };
    /// Listens; if that cannot be `problem` says why. Errors: std::bad_alloc.
    PalSocket(const Place& place, const PalStreamNames& names, std::shared_ptr<PalLines> lines,
              std::shared_ptr<LogCounters> counters, NameProblem& problem);
    ~PalSocket() override;

    bool wants() const noexcept override { return !readers_.empty(); }
    bool is_live() const noexcept override { return true; }
    std::size_t batch_bytes() const noexcept override;
    void meet(std::uint16_t index, std::uint64_t position) noexcept override;
    void take(const PalBatch& batch, const PalWorkers& workers) noexcept override;
    void tend(const PalWorkers& workers, std::uint64_t ts_ns) noexcept override;
    void end(const PalWorkers& workers, std::uint64_t ts_ns) noexcept override;

    void lock() noexcept override { mutex_.lock(); }
    void unlock() noexcept override { mutex_.unlock(); }
    void become_child() noexcept override;

  private:
    class Reader;
    bool listen_at(const std::string& name, NameProblem& problem);
    bool listen_with_lock(const std::string& name, NameProblem& problem);
    bool end_of_all(const PalWorkers& workers, std::uint64_t ts_ns) noexcept;
    enum class Accepted : std::uint8_t { none, taken, refused };
    Accepted accept_one(const PalWorkers& workers, std::uint64_t ts_ns) noexcept;
    void drop_gone() noexcept;
    void count() noexcept;

    std::string name_;
    PalStreamNames names_;
    std::shared_ptr<PalLines> lines_;
    std::shared_ptr<LogCounters> counters_;
    std::mutex mutex_;  // held while descriptors come and go
    Descriptor lock_file_;
    Descriptor listener_;
    std::uint64_t inode_ = 0;  // of the socket's name
    std::vector<std::unique_ptr<Reader>> readers_;
    std::uint64_t gone_bytes_ = 0;     // of readers that went
    std::uint64_t gone_left_out_ = 0;  // the same
};

}  // namespace tiffany::detail
