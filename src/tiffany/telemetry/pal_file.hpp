#pragma once
/// The log in a file: its name, its lock, its turns; stderr; a fifo or a device.

#include <memory>
#include <mutex>
#include <string>

#include "locked_file.hpp"
#include "log_counters.hpp"
#include "pal_stream.hpp"
#include "pal_target.hpp"

namespace tiffany::detail {

class PalFile : public PalTarget, private PalPipe {
  public:
    struct Place {
        std::string name;       ///< as it is to be, or `-`
        std::uint32_t pid = 0;  ///< is added where the name is taken
        bool add_pid = false;   ///< is added in any case
        std::uint64_t max_bytes = 0;
    };
    /// Opens it; if that cannot be `problem` says why. Errors: std::bad_alloc.
    PalFile(const Place& place, const PalStreamNames& names, std::shared_ptr<PalLines> lines,
            std::shared_ptr<LogCounters> counters, NameProblem& problem);
    ~PalFile() override;

    bool wants() const noexcept override { return true; }
    bool is_live() const noexcept override { return false; }
    std::size_t batch_bytes() const noexcept override { return batch_bytes_; }
    void meet(std::uint16_t index, std::uint64_t position) noexcept override { stream_.meet(index, position); }
    void take(const PalBatch& batch, const PalWorkers& workers) noexcept override;
    void tend(const PalWorkers& workers, std::uint64_t ts_ns) noexcept override;
    void end(const PalWorkers& workers, std::uint64_t ts_ns) noexcept override;

    void lock() noexcept override { mutex_.lock(); }
    void unlock() noexcept override { mutex_.unlock(); }
    void become_child() noexcept override;

  private:
    static constexpr std::uint64_t kAskForTasksNs = 10'000'000'000;
    class Zstd;
    bool is_filled_by_a_dump(const PalBatch& batch) const noexcept;
    bool open(int attempt, NameProblem& problem);
    std::size_t write(std::string_view bytes) noexcept override;
    bool is_full_with(std::size_t bytes) const noexcept;
    bool turn_over(const PalWorkers& workers, std::uint64_t ts_ns) noexcept;
    bool begin_next(const PalWorkers& workers, std::uint64_t ts_ns) noexcept;
    void want_tasks() noexcept;
    bool begin_anew() noexcept;
    bool replace_full(NameProblem& problem);
    void take_back_end() noexcept;
    void ask_for_tasks() noexcept;
    void count() noexcept;

    const Place place_;
    int attempt_ = 0;  // at a name: the one that was won is kept
    std::string name_;
    std::string older_;  // the name that a full file gets; empty: it does not turn over
    const std::size_t batch_bytes_;
    PalStreamNames names_;
    std::shared_ptr<PalLines> lines_;
    std::shared_ptr<LogCounters> counters_;
    std::mutex mutex_;  // held while descriptors come and go
    Descriptor file_;
    bool is_stderr_ = false;
    std::unique_ptr<Zstd> zstd_;
    PalStream stream_;
    std::uint64_t begun_at_ = 0;  // stream_.written() when this file began
    bool begun_ = false;
    bool ending_ = false;                          // it has its End, or the rest of that is kept: it takes nothing more
    std::uint64_t tasks_wanted_ns_ = 0;            // when a file began that was not told of what lives; 0 = it was
    std::uint64_t tasks_asked_ns_ = 0;             // when they were asked for the last time; 0 = never
    std::uint64_t ask_pause_ns_ = kAskForTasksNs;  // so long until they are asked for again
    bool overflowed_ = false;                      // what was asked for then did not fit in a file
    std::uint64_t records_ = 0;                    // in this file
    std::uint64_t states_ = 0;                     // of these, of a state dump
    bool filled_by_dump_ = false;                  // it turns over for that reason
};

}  // namespace tiffany::detail
