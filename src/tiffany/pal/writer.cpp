#include <tiffany/pal/writer.hpp>

#include <cstring>
#include <string>
#include <vector>

#include "byte_word.hpp"
#include "line_plan.hpp"
#include "text.hpp"

namespace tiffany::pal {
namespace {

using catalogue::EventInfo;
using catalogue::FieldType;

// handed over at a time: the kernel takes longer for the same bytes in pieces of 64 KiB
constexpr std::size_t kChunk = std::size_t{1} << 18;

/// Whether a reader would take a record of this name for something else than an event that it does not know.
bool is_taken(std::string_view name) {
    if (name == "Begin" || name == "Gap" || name == "End") return true;
    for (const EventInfo& event : catalogue::events())
        if (event.record == name) return true;
    return false;
}

}  // namespace

class LogWriter::Formatter {
  public:
    explicit Formatter(ByteSink& out) : out_{out} {}

    void begin(const Begin& begin) {
        open();
        if (begin.ts_ns != 0) put_time(begin.ts_ns);
        line_.put(",\"event\":\"Begin\"");
        put_text_unless_empty(",\"tool\":", begin.tool);
        put_text_unless_empty(",\"trace\":", begin.trace);
        put_text_unless_empty(",\"clock\":", begin.clock);
        if (!begin.events.empty()) {
            line_.put(",\"events\":");
            char before = '[';
            for (const std::string& event : begin.events) {
                line_.put(before);
                line_.put_quoted(event);
                before = ',';
            }
            line_.put(']');
        }
        put_number_unless_zero(",\"catalogue\":", begin.catalogue);
        if (!begin.first.empty()) put_first(begin.first);
        close();
    }

    void record(const Record& record) {
        if (record.info == nullptr) {
            open();
            put_time(record.ts_ns);
            if (!has_origin_ || !is_same_origin(record)) make_origin(record);
            line_.put(origin_.view());
            put_unknown(record);
            close();
            return;
        }
        if (!has_origin_ || !is_same_origin(record)) [[unlikely]]
            make_origin(record);
        const Plan& plan = plans_[static_cast<std::size_t>(record.info->id)];
        char* at = put_origin(time_.put(kOpen.put(line_.room(kRoom + origin_.size())), record.ts_ns));
        if (plan.has_seq) at = seq_.put(kSeq.put(at), record.seq);
        if (plan.has_tid) at = pal::put_number(kTid.put(at), record.tid);
        if (plan.has_step) at = pal::put_number(kStep.put(at), record.step);
        at = plan.event.put(at);
        for (const Field& field : plan.own)
            at = field.is_text ? put_text(field, record.texts[field.slot], at)
                               : put_value(field, record.numbers[field.slot], at);
        line_.end_at(kClose.put(at));
        flush_if_full();
    }

    void gap(const Gap& gap) {
        open();
        put_time(gap.ts_ns);
        put_worker(line_, gap.worker);
        line_.put(",\"event\":\"Gap\"");
        put_number(",\"from_seq\":", gap.from_seq);
        put_number(",\"to_seq\":", gap.to_seq);
        put_number(",\"lost\":", gap.lost);
        if (!gap.explained) line_.put(",\"explained\":false");
        close();
    }

    void end(const End& end) {
        open();
        if (end.ts_ns != 0) put_time(end.ts_ns);
        line_.put(",\"event\":\"End\"");
        put_number(",\"records\":", end.records);
        put_number(",\"lost\":", end.lost);
        put_number_unless_zero(",\"tail\":", end.tail);
        if (end.at_most) line_.put(",\"at_most\":true");
        put_number_unless_zero(",\"lost_others\":", end.lost_others);
        put_number_unless_zero(",\"bad_parts\":", end.bad_parts);
        close();
    }

    void flush() {
        if (line_.size() == 0) return;
        out_.write(line_.view());
        line_.clear();
    }

  private:
    /// An own field: as in LinePlan, in pieces.
    struct Field {
        Piece key;
        std::size_t slot;
        bool is_text;
        bool may_be_left_out;
        std::vector<Piece> labels;  // of an enumeration, quoted, by number
    };
    struct Plan {
        bool has_seq, has_tid, has_step;
        Piece event;
        std::vector<Field> own;
    };
    static constexpr std::size_t kRegister = 32;  // an origin is copied by whole ones
    // all of a known event's line but its origin and its texts: the time, the three numbers that say which, the event,
    // each own number, and the end; each a key and a value
    static constexpr std::size_t kRoom = (7 + kMaxFields) * 2 * Piece::kMost;
    static constexpr Piece kOpen{"{\"v\":1,\"ts\":\""};
    static constexpr Piece kSeq{",\"seq\":"};
    static constexpr Piece kTid{",\"tid\":"};
    static constexpr Piece kStep{",\"step\":"};
    static constexpr Piece kClose{"}\n"};

    static std::vector<Plan> make_plans() {
        std::vector<Plan> plans;
        for (const LinePlan& line : make_line_plans()) {
            Plan& plan =
                plans.emplace_back(Plan{line.has_seq, line.has_tid, line.has_step, Piece{line.event + line.kind}, {}});
            for (const LinePlan::OwnField& own : line.own) {
                Field& field = plan.own.emplace_back(
                    Field{Piece{own.key}, own.slot, own.info->is_string(), own.info->type == FieldType::duration, {}});
                if (own.info->type != FieldType::enumeration) continue;
                for (std::uint64_t i = 0; const auto label = own.info->enumeration->label(i); ++i)
                    field.labels.emplace_back('"' + std::string{*label} + '"');
            }
        }
        return plans;
    }

    void open() { line_.put("{\"v\":1"); }
    void close() {
        line_.put("}\n");
        flush_if_full();
    }
    void flush_if_full() {
        if (line_.size() >= kChunk) [[unlikely]]
            flush();
    }

    void put_time(std::uint64_t ts_ns) {
        line_.put(",\"ts\":\"");
        time_.put(line_, ts_ns);
        line_.put('"');
    }

    void put_number(std::string_view key, std::uint64_t value) {
        line_.put(key);
        line_.put_number(value);
    }
    void put_number_unless_zero(std::string_view key, std::uint64_t value) {
        if (value != 0) put_number(key, value);
    }
    void put_text_unless_empty(std::string_view key, std::string_view text) {
        if (text.empty()) return;
        line_.put(key);
        line_.put_quoted(text);
    }

    void put_first(const std::vector<FirstSeq>& workers) {
        line_.put(",\"first\":");
        std::string_view before = "[{\"instance\":\"";
        for (const FirstSeq& first : workers) {
            line_.put(before);
            line_.put_hex(first.worker.instance, 12);
            line_.put("\",\"worker\":");
            line_.put_number(first.worker.index);
            put_number(",\"seq\":", first.seq);
            line_.put('}');
            before = ",{\"instance\":\"";
        }
        line_.put(']');
    }

    static void put_worker(TextBuffer& out, const WorkerId& worker) {
        out.put(",\"instance\":\"");
        out.put_hex(worker.instance, 12);
        out.put("\",\"worker\":");
        out.put_number(worker.index);
    }

    /// host, pid, instance and worker: mostly those of the record before.
    bool is_same_origin(const Record& record) const {
        if (record.worker != worker_ || record.pid != pid_ || record.host.size() != host_.size()) return false;
        if (host_.size() >= kWord) return same_bytes(record.host.data(), host_.data(), host_.size());
        for (std::size_t i = 0; i < host_.size(); ++i)  // too short for a call to pay
            if (record.host[i] != host_[i]) return false;
        return true;
    }

    [[gnu::noinline]] void make_origin(const Record& record) {
        has_origin_ = true;
        worker_ = record.worker;
        pid_ = record.pid;
        host_ = record.host;
        origin_.clear();
        if (!host_.empty()) {
            origin_.put(",\"host\":");
            origin_.put_quoted(host_);
        }
        if (pid_ != 0) {
            origin_.put(",\"pid\":");
            origin_.put_number(pid_);
        }
        put_worker(origin_, worker_);
        origin_.room(kRegister);  // what a copy reads more
    }

    /// After the time: its quote, and who it was.
    char* put_origin(char* at) const {
        *at++ = '"';
        const std::string_view origin = origin_.view();
        for (std::size_t done = 0; done < origin.size(); done += kRegister)
            std::memcpy(at + done, origin.data() + done, kRegister);
        return at + origin.size();
    }

    char* put_text(const Field& field, std::string_view text, char* at) {
        line_.end_at(field.key.put(at));
        line_.put_quoted(text);
        return line_.room(kRoom);
    }

    static char* put_value(const Field& field, std::uint64_t value, char* at) {
        if (field.may_be_left_out && value == 0) return at;  // not known, or does not apply
        at = field.key.put(at);
        return value < field.labels.size() ? field.labels[value].put(at) : pal::put_number(at, value);
    }

    void put_unknown(const Record& record) {
        const bool all = record.is_transition();
        if (all || record.seq != 0) put_number(",\"seq\":", record.seq);
        if (all || record.tid != 0) put_number(",\"tid\":", record.tid);
        if (all || record.step != 0) put_number(",\"step\":", record.step);
        line_.put(",\"event\":");
        if (is_taken(record.unknown))
            line_.put_quoted("tiffany:" + record.unknown);
        else
            line_.put_quoted(record.unknown);
    }

    ByteSink& out_;
    const std::vector<Plan> plans_ = make_plans();
    TextBuffer line_;  // lines that were not handed over yet
    TimeFormatter time_;
    NearNumber seq_;
    bool has_origin_ = false;
    WorkerId worker_;
    std::uint32_t pid_ = 0;
    std::string host_;
    TextBuffer origin_;  // made from the three above
};

LogWriter::LogWriter(ByteSink& out) : formatter_{std::make_unique<Formatter>(out)} {}
LogWriter::~LogWriter() = default;

void LogWriter::begin(const Begin& begin) {
    formatter_->begin(begin);
}
void LogWriter::record(const Record& record) {
    formatter_->record(record);
}
void LogWriter::gap(const Gap& gap) {
    formatter_->gap(gap);
}
void LogWriter::end(const End& end) {
    formatter_->end(end);
    formatter_->flush();
}
void LogWriter::flush() {
    formatter_->flush();
}

}  // namespace tiffany::pal
