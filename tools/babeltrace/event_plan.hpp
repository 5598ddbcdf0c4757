#pragma once
/// How the events of one class become records: which field goes where, found by name once for each class. Both readers
/// of traces, babeltrace2's and the native one, ask here.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tiffany/pal/record.hpp>
#include <unordered_map>
#include <vector>

namespace tiffany::ctf {

using Counts = std::map<std::string, std::uint64_t>;

/// What a field of a trace is, as far as it matters: an unsigned integer (an enumeration too), a string, or neither.
enum class FieldKind : std::uint8_t { number, string, other };

class EventPlan {
  public:
    enum class Target : std::uint8_t { worker, tid, seq, step, pid, number, text };
    struct Place {
        Target target;
        std::size_t slot;  ///< of a number or a text
    };

    /// @param event  with its provider: "tiffany:task_done"
    /// @param ticks  take the scheduler's ticks too
    EventPlan(std::string_view event, bool ticks);

    /// Where the value of a field goes; nothing if it goes nowhere. To be asked once for each field, in their order.
    std::optional<Place> place_of(std::string_view field, FieldKind kind);

    /// Adds what of this class this version does not know, if there were events of it.
    void add_unknown(Counts& events, Counts& fields) const;

    bool take = false;                           ///< its provider is ours
    bool left_out = false;                       ///< a tick that nobody asked for
    bool has_worker = false;                     ///< else it makes no record: it is counted, if it is unknown
    bool tells_pid = false;                      ///< its field `pid` is that of every record of the instance
    const catalogue::EventInfo* info = nullptr;  ///< null if `take`: an unknown event
    std::string name;                            ///< of the tracepoint, without its provider
    std::uint64_t count = 0;                     ///< events of this class so far

  private:
    std::vector<std::string> unknown_fields_;
};

/// Which process a worker is in: as the process sees itself, or else as the tracer does.
class ProcessIds {
  public:
    void tell(std::uint64_t instance, std::uint32_t pid) {
        pids_[instance] = pid;
        forget_last();
    }
    /// @param otherwise  what the trace says of all of its records
    std::uint32_t of(std::uint64_t instance, std::uint32_t otherwise) {
        if (instance != last_instance_) look_up(instance, otherwise);
        return last_pid_;
    }
    /// To be called when `otherwise` changes.
    void forget_last() { last_instance_ = kNone; }

  private:
    static constexpr std::uint64_t kNone = ~std::uint64_t{0};  // an instance has 48 bits

    void look_up(std::uint64_t instance, std::uint32_t otherwise);

    std::unordered_map<std::uint64_t, std::uint32_t> pids_;
    std::uint64_t last_instance_ = kNone;
    std::uint32_t last_pid_ = 0;
};

}  // namespace tiffany::ctf
