#include <tiffany/pal/writer.hpp>

#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <string_view>
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
    explicit Formatter(ByteSink& out) : out_{out} {
        make_plans();
        make_origin({});
    }

    void begin(const Begin& begin) {
        open_unless_zero(begin.ts_ns);
        line_.put(",\"event\":\"Begin\"");
        put_text_unless_empty(",\"tool\":", begin.tool);
        put_text_unless_empty(",\"trace\":", begin.trace);
        put_text_unless_empty(",\"clock\":", begin.clock);
        put_texts_unless_empty(",\"events\":", begin.events);
        put_number_unless_zero(",\"catalogue\":", begin.catalogue);
        if (!begin.first.empty()) put_first(begin.first);
        close();
    }

    void record(const Record& record) {
        if (!is_same_origin(record)) [[unlikely]]
            make_origin(record);
        if (record.info == nullptr) return put_unknown(record);
        const Plan& plan = plans_[static_cast<std::size_t>(record.info->id)];
        char* at = time_.put(line_.end(), record.ts_ns);
        at = plan.is_step ? put_step(at, record) : put_identity(at, plan, record);
        at = plan.event.put(at);
        for (const Field& field : plan.own) {
            if (field.is_text) {
                at = put_text(field, record.texts[field.slot], at);
                continue;
            }
            const std::uint64_t value = record.numbers[field.slot];
            if (value < field.labels.size())
                at = field.labels[value].put(at);
            else if (value >= field.least)
                at = pal::put_number(field.key.put(at), value);
        }
        line_.end_at(kClose.put(at));
        flush_if_full();
    }

    void gap(const Gap& gap) {
        open(gap.ts_ns);
        put_worker(line_, gap.worker);
        line_.put(",\"event\":\"Gap\"");
        put_number(",\"from_seq\":", gap.from_seq);
        put_number(",\"to_seq\":", gap.to_seq);
        put_number(",\"lost\":", gap.lost);
        if (!gap.explained) line_.put(",\"explained\":false");
        close();
    }

    void end(const End& end) {
        open_unless_zero(end.ts_ns);
        line_.put(",\"event\":\"End\"");
        put_number(",\"records\":", end.records);
        put_number(",\"lost\":", end.lost);
        put_number_unless_zero(",\"tail\":", end.tail);
        if (end.at_most) line_.put(",\"at_most\":true");
        put_number_unless_zero(",\"lost_others\":", end.lost_others);
        put_number_unless_zero(",\"bad_parts\":", end.bad_parts);
        put_texts_unless_empty(",\"uncounted\":", end.uncounted);
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
        std::size_t slot = 0;
        bool is_text = false;
        std::uint64_t least = 0;        // 1: a 0 is left out, it is not known or does not apply
        std::span<const Piece> labels;  // of an enumeration, by number, with the key
    };
    struct Plan {
        bool has_seq = false, has_tid = false, has_step = false;
        bool is_step = false;  // it has all three
        Piece event;
        std::vector<Field> own;
    };
    static constexpr std::uint64_t kFew = 8192;  // a power of two: of two numbers below it also what they are together
    static constexpr std::size_t kUsualOrigin = 96;  // so much is copied whatever it has: whole registers, no call
    // all of a known event's line but its origin and its texts: the time, the three numbers that say which, the event,
    // each own number, and the end; each a key and a value
    static constexpr std::size_t kRoom = (7 + kMaxFields) * 2 * Piece::kMost;
    static constexpr std::string_view kOpen = "{\"v\":1,\"ts\":\"";
    static constexpr std::string_view kSeq = ",\"seq\":";
    static constexpr Piece kTid{",\"tid\":"};
    static constexpr Piece kStep{",\"step\":"};
    static constexpr Piece kClose{"}\n"};

    void make_plans() {
        for (const LinePlan& line : make_line_plans()) {
            Plan& plan = plans_.emplace_back();
            plan.has_seq = line.has_seq;
            plan.has_tid = line.has_tid;
            plan.has_step = line.has_step;
            plan.is_step = line.has_seq && line.has_tid && line.has_step;
            plan.event = Piece{line.event + line.kind};
            for (const LinePlan::OwnField& own : line.own) {
                Field& field = plan.own.emplace_back();
                field.key = Piece{own.key};
                field.slot = own.slot;
                field.is_text = own.info->is_string();
                field.least = own.info->type == FieldType::duration ? 1 : 0;
                if (own.info->type == FieldType::enumeration) field.labels = labels_of(own);
            }
        }
    }
    std::span<const Piece> labels_of(const LinePlan::OwnField& own) {
        std::vector<Piece>& labels = labels_.emplace_back();
        for (std::uint64_t i = 0; const auto label = own.info->enumeration->label(i); ++i)
            labels.emplace_back(own.key + '"' + std::string{*label} + '"');
        return labels;
    }

    void open(std::uint64_t ts_ns) {
        time_.put(line_, ts_ns);
        line_.put('"');
    }
    void open_unless_zero(std::uint64_t ts_ns) {
        if (ts_ns != 0)
            open(ts_ns);
        else
            line_.put("{\"v\":1");
    }
    void close() {
        line_.put("}\n");
        flush_if_full();
    }
    void flush_if_full() {
        if (line_.size() >= kChunk) [[unlikely]]
            flush();
    }

    void put_number(std::string_view key, std::uint64_t value) {
        line_.put(key);
        line_.put_number(value);
    }
    void put_texts_unless_empty(std::string_view key, const std::vector<std::string>& texts) {
        if (texts.empty()) return;
        line_.put(key);
        char before = '[';
        for (const std::string& text : texts) {
            line_.put(before);
            line_.put_quoted(text);
            before = ',';
        }
        line_.put(']');
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
        return same_bytes(record.host.data(), host_.data(), host_.size());
    }

    [[gnu::noinline]] void make_origin(const Record& record) {
        worker_ = record.worker;
        pid_ = record.pid;
        host_ = record.host;
        origin_.clear();
        origin_.put('"');
        if (!host_.empty()) {
            origin_.put(",\"host\":");
            origin_.put_quoted(host_);
        }
        if (pid_ != 0) {
            origin_.put(",\"pid\":");
            origin_.put_number(pid_);
        }
        put_worker(origin_, worker_);
        origin_.put(kSeq);
        origin_.room(kUsualOrigin);  // what a copy reads more
        line_.reserve(kChunk + kRoom + origin_.size());
    }

    /// After the time: its quote, who it was, and what comes before a seq.
    char* put_origin(char* at) const {
        const std::string_view origin = origin_.view();
        std::memcpy(at, origin.data(), kUsualOrigin);
        if (origin.size() > kUsualOrigin) [[unlikely]]
            std::memcpy(at + kUsualOrigin, origin.data() + kUsualOrigin, origin.size() - kUsualOrigin);
        return at + origin.size();
    }

    /// The numbers that say which of a task's steps it is; mostly two of them are small, and made at once.
    char* put_step(char* at, const Record& record) {
        at = kTid.put(seq_.put(put_origin(at), record.seq));
        if ((record.tid | record.step) < kFew) {
            const std::uint64_t both = digits::fours(record.tid | record.step << 32);
            at = digits::put_four(at, static_cast<std::uint32_t>(both));
            return digits::put_four(kStep.put(at), static_cast<std::uint32_t>(both >> 32));
        }
        at = pal::put_number(at, record.tid);
        return pal::put_number(kStep.put(at), record.step);
    }

    char* put_identity(char* at, const Plan& plan, const Record& record) {
        at = put_origin(at);
        at = plan.has_seq ? seq_.put(at, record.seq) : at - kSeq.size();
        if (plan.has_tid) at = pal::put_number(kTid.put(at), record.tid);
        if (plan.has_step) at = pal::put_number(kStep.put(at), record.step);
        return at;
    }

    char* put_text(const Field& field, std::string_view text, char* at) {
        line_.end_at(field.key.put(at));
        line_.put_quoted(text);
        return line_.room(kRoom);
    }

    void put_unknown(const Record& record) {
        time_.put(line_, record.ts_ns);
        line_.put(origin_.view().substr(0, origin_.size() - kSeq.size()));
        const bool all = record.is_transition();
        if (all || record.seq != 0) put_number(",\"seq\":", record.seq);
        if (all || record.tid != 0) put_number(",\"tid\":", record.tid);
        if (all || record.step != 0) put_number(",\"step\":", record.step);
        line_.put(",\"event\":");
        if (is_taken(record.unknown))
            line_.put_quoted("tiffany:" + record.unknown);
        else
            line_.put_quoted(record.unknown);
        close();
    }

    ByteSink& out_;
    std::vector<Plan> plans_;                // by EventId
    std::deque<std::vector<Piece>> labels_;  // of their fields
    TextBuffer line_;                        // lines that were not handed over yet
    TimeFormatter time_{kOpen};
    NearNumber seq_;
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
