#include <tiffany/pal/writer.hpp>

#include <string>
#include <vector>

#include "line_plan.hpp"
#include "text.hpp"

namespace tiffany::pal {
namespace {

using catalogue::EventInfo;
using catalogue::FieldType;

constexpr std::size_t kChunk = std::size_t{1} << 16;  // handed over at a time

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
        open();
        put_time(record.ts_ns);
        put_origin(record);
        if (record.info != nullptr)
            put_known(record, plans_[static_cast<std::size_t>(record.info->id)]);
        else
            put_unknown(record);
        close();
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
        close();
    }

    void flush() {
        if (line_.size() == 0) return;
        out_.write(line_.view());
        line_.clear();
    }

  private:
    void open() { line_.put("{\"v\":1"); }
    void close() {
        line_.put("}\n");
        if (line_.size() >= kChunk) flush();
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
    void put_origin(const Record& record) {
        if (!has_origin_ || record.worker != worker_ || record.pid != pid_ || record.host != host_) {
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
        }
        line_.put(origin_.view());
    }

    void put_known(const Record& record, const LinePlan& plan) {
        if (plan.has_seq) put_number(",\"seq\":", record.seq);
        if (plan.has_tid) put_number(",\"tid\":", record.tid);
        if (plan.has_step) put_number(",\"step\":", record.step);
        line_.put(plan.event);
        line_.put(plan.kind);
        for (const LinePlan::OwnField& field : plan.own)
            put_own(record, field);
    }

    void put_own(const Record& record, const LinePlan::OwnField& field) {
        if (field.info->is_string()) {
            line_.put(field.key);
            line_.put_quoted(record.texts[field.slot]);
            return;
        }
        const std::uint64_t value = record.numbers[field.slot];
        if (field.info->type == FieldType::duration && value == 0) return;  // not known, or does not apply
        line_.put(field.key);
        const auto label =
            field.info->type == FieldType::enumeration ? field.info->enumeration->label(value) : std::nullopt;
        if (label)
            line_.put_quoted(*label);
        else
            line_.put_number(value);
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
    const std::vector<LinePlan> plans_ = make_line_plans();
    TextBuffer line_;  // lines that were not handed over yet
    TimeFormatter time_;
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
