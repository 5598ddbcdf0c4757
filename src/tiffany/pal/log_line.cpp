#include "log_line.hpp"

#include <simdjson.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <tiffany/pal/error.hpp>
#include <vector>

#include "text.hpp"

namespace tiffany::pal {
namespace {

using catalogue::EventInfo;
using catalogue::FieldInfo;
using catalogue::FieldRole;
using catalogue::FieldType;
namespace ondemand = simdjson::ondemand;

constexpr std::uint64_t kMaxU64 = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kUnknownLabel = 255;  // a label that a newer catalogue has and this one does not

/// The keys that every record may have; `other` is an event's own, or one that is not known.
enum class Key : std::uint8_t { v, ts, host, pid, instance, worker, seq, tid, step, event, kind, other };
constexpr std::string_view kKeys[] = {"v",   "ts",  "host", "pid",   "instance", "worker",
                                      "seq", "tid", "step", "event", "kind"};

Key key_of(std::string_view name) {
    for (std::size_t i = 0; i < std::size(kKeys); ++i)
        if (kKeys[i] == name) return static_cast<Key>(i);
    return Key::other;
}

using KeySet = std::uint32_t;
constexpr KeySet bit(Key key) {
    return KeySet{1} << static_cast<unsigned>(key);
}

Error bad(std::string why) {
    return Error{ErrorKind::content, std::move(why)};
}

/// A piece of the input in a message: short, and with nothing that a terminal would obey.
std::string shown(std::string_view text) {
    constexpr std::size_t kMost = 40;
    std::string out;
    for (const char byte : text.substr(0, kMost)) {
        if (byte == '\n' || byte == '\r') break;
        out += byte >= 0x20 && byte < 0x7f ? byte : '?';
    }
    if (text.size() > kMost) out += "...";
    while (!out.empty() && out.back() == ' ')
        out.pop_back();
    return out;
}

std::string quoted(std::string_view key) {
    return '"' + std::string{key} + '"';
}

Error bad_value(std::string_view key, const std::string& expected, ondemand::value& value) {
    return bad(quoted(key) + ": expected " + expected + ", found " + shown(value.raw_json_token()));
}

void check(simdjson::error_code error) {
    if (error == simdjson::SUCCESS) return;
    if (error == simdjson::UTF8_ERROR) throw bad("not UTF-8");
    throw bad(std::string{"not JSON: "} + simdjson::error_message(error));
}

std::uint64_t number_of(std::string_view key, ondemand::value& value, std::uint64_t most) {
    std::uint64_t number = 0;
    if (value.get_uint64().get(number) != simdjson::SUCCESS || number > most)
        throw bad_value(key, "a whole number from 0 to " + std::to_string(most), value);
    return number;
}

std::string_view text_of(std::string_view key, ondemand::value& value) {
    std::string_view text;
    if (value.get_string().get(text) != simdjson::SUCCESS) throw bad_value(key, "a string", value);
    return text;
}

bool bool_of(std::string_view key, ondemand::value& value) {
    bool flag = false;
    if (value.get_bool().get(flag) != simdjson::SUCCESS) throw bad_value(key, "true or false", value);
    return flag;
}

/// Calls `on_field(key, value)` for each member of an object.
template <typename OnField>
void for_each_field(ondemand::object& object, OnField on_field) {
    for (auto item : object) {
        ondemand::field field;
        check(std::move(item).get(field));
        std::string_view key;
        check(field.unescaped_key().get(key));
        on_field(key, field.value());
    }
}

/// Where an event's own field goes in a Record.
struct OwnField {
    const FieldInfo* info;
    std::size_t slot;
};

/// What a record of an event must have.
struct Plan {
    const EventInfo* info;
    KeySet required = bit(Key::ts) | bit(Key::instance) | bit(Key::worker);
    std::vector<OwnField> own;
    std::uint32_t required_own = 0;  // by position in `own`
};

Plan make_plan(const EventInfo& event) {
    Plan plan{&event, bit(Key::ts) | bit(Key::instance) | bit(Key::worker), {}, 0};
    std::size_t text_slot = 0;
    for (std::size_t i = 0; i < event.fields.size(); ++i) {
        const FieldInfo& field = event.fields[i];
        if (field.role == FieldRole::seq) plan.required |= bit(Key::seq);
        if (field.role == FieldRole::tid) plan.required |= bit(Key::tid);
        if (field.role == FieldRole::step) plan.required |= bit(Key::step);
        if (field.role != FieldRole::own) continue;
        if (field.type != FieldType::duration) plan.required_own |= std::uint32_t{1} << plan.own.size();
        plan.own.push_back({&field, field.is_string() ? text_slot++ : i});
    }
    return plan;
}

}  // namespace

const std::size_t LineParser::kPadding = std::max<std::size_t>(simdjson::SIMDJSON_PADDING, PlainLine::kPadding);

class LineParser::Json {
  public:
    Json() {
        for (const EventInfo& event : catalogue::events())
            plans_.push_back(make_plan(event));
    }

    EntryKind parse(std::string_view line, LineParser& into) {
        // an object in any order of keys; a second pass is needed only if an own field comes before the event's name
        check(parser_.iterate(simdjson::padded_string_view{line.data(), line.size(), line.size() + kPadding})
                  .get(document_));
        seen_ = 0;
        plan_ = nullptr;
        resolved_ = false;
        bool again = false;
        {
            ondemand::object object = root();
            for_each_field(object, [&](std::string_view key, ondemand::value value) {
                const Key which = key_of(key);
                if (which == Key::other)
                    again |= !read_own(key, value, into.record_);
                else
                    again |= !read_common(which, key, value, into.record_);
            });
        }
        if (document_.current_location().error() != simdjson::OUT_OF_BOUNDS)
            throw bad("not JSON: something follows the object");
        require(Key::v);
        require(Key::event);
        if (event_ == "Begin") return read_begin(into.begin_);
        if (event_ == "Gap") return read_gap(into.gap_, into.record_);
        if (event_ == "End") return read_end(into.end_, into.record_);
        resolve(into.record_);
        if (again) {
            clear_own(into.record_);
            read_again([&](std::string_view key, ondemand::value value) {
                if (key_of(key) == Key::other) read_own(key, value, into.record_);
            });
        }
        check_complete();
        return EntryKind::record;
    }

  private:
    ondemand::object root() {
        ondemand::object object;
        if (const auto error = document_.get_object().get(object); error != simdjson::SUCCESS) {
            if (error == simdjson::INCORRECT_TYPE) throw bad("expected a JSON object");
            check(error);
        }
        return object;
    }

    void require(Key key) const {
        if ((seen_ & bit(key)) == 0) throw bad(quoted(kKeys[static_cast<std::size_t>(key)]) + " is missing");
    }

    /// Returns false if own fields that were read are to be read again.
    bool read_common(Key which, std::string_view key, ondemand::value& value, Record& record) {
        if (seen_ == 0) clear(record);
        seen_ |= bit(which);
        switch (which) {
            case Key::v:
                if (const std::uint64_t version = number_of(key, value, kMaxU64); version != kVersion)
                    throw bad("this is version " + std::to_string(version) + " of the format, expected version " +
                              std::to_string(kVersion));
                return true;
            case Key::ts:
                if (const auto ts_ns = parse_time(text_of(key, value)))
                    record.ts_ns = *ts_ns;
                else
                    throw bad_value(key, "an instant like \"2026-11-23T15:43:08.947684687Z\"", value);
                return true;
            case Key::host:
                record.host = text_of(key, value);
                return true;
            case Key::pid:
                record.pid = static_cast<std::uint32_t>(number_of(key, value, 0xffff'ffff));
                return true;
            case Key::instance:
                if (const auto instance = parse_instance(text_of(key, value)))
                    record.worker.instance = *instance;
                else
                    throw bad_value(key, "12 hexadecimal digits", value);
                return true;
            case Key::worker:
                record.worker.index = static_cast<std::uint16_t>(number_of(key, value, 0xffff));
                return true;
            case Key::seq:
                record.seq = number_of(key, value, kMaxU64);
                return true;
            case Key::tid:
                record.tid = number_of(key, value, kMaxU64);
                return true;
            case Key::step:
                record.step = number_of(key, value, kMaxU64);
                return true;
            case Key::event:
                event_ = text_of(key, value);
                return forget_resolution();
            case Key::kind:
                kind_ = text_of(key, value);
                return forget_resolution();
            case Key::other:
                break;
        }
        return true;
    }

    void clear(Record& record) {
        record.info = nullptr;
        record.unknown.clear();
        record.ts_ns = record.seq = record.tid = record.step = 0;
        record.host.clear();
        record.pid = 0;
        record.worker = {};
        event_.clear();
        kind_.clear();
        clear_own(record);
    }

    void clear_own(Record& record) {
        record.numbers.fill(0);
        for (std::string& text : record.texts)
            text.clear();
        own_seen_ = 0;
    }

    bool forget_resolution() {
        const bool own_were_read = resolved_;
        resolved_ = false;
        return !own_were_read;
    }

    /// Which event the line is; `record.info` stays null for one that is not known.
    void resolve(Record& record) {
        if (resolved_) return;
        resolved_ = true;
        plan_ = nullptr;
        own_next_ = 0;
        own_seen_ = 0;
        for (const Plan& plan : plans_)
            if (plan.info->record == event_ && (plan.info->kind.empty() || plan.info->kind == kind_)) {
                plan_ = &plan;
                break;
            }
        record.info = plan_ != nullptr ? plan_->info : nullptr;
        record.unknown.clear();
        if (plan_ != nullptr) return;
        record.unknown = event_;
        if (!kind_.empty()) record.unknown += '.' + kind_;  // "Worker" of a kind that is not known
    }

    /// Returns false if it is too early: the event is not known yet.
    bool read_own(std::string_view key, ondemand::value& value, Record& record) {
        if ((seen_ & bit(Key::event)) == 0) return false;
        resolve(record);
        if (plan_ == nullptr) return true;
        const std::vector<OwnField>& own = plan_->own;
        for (std::size_t tried = 0; tried < own.size(); ++tried) {
            const std::size_t at = (own_next_ + tried) % own.size();
            if (own[at].info->name != key) continue;
            own_next_ = at + 1;
            own_seen_ |= std::uint32_t{1} << at;
            read_value(own[at], value, record);
            break;
        }
        return true;
    }

    void read_value(const OwnField& field, ondemand::value& value, Record& record) {
        if (field.info->is_string()) {
            record.texts[field.slot] = text_of(field.info->name, value);
            return;
        }
        std::uint64_t& number = record.numbers[field.slot];
        std::string_view label;
        if (field.info->type != FieldType::enumeration || value.get_string().get(label) != simdjson::SUCCESS) {
            number = number_of(field.info->name, value, field.info->most());
        } else if (const auto known = field.info->enumeration->number(label)) {
            number = *known;
        } else if (is_newer_) {
            number = kUnknownLabel;
        } else {
            throw bad_value(field.info->name, "a label of " + std::string{field.info->enumeration->name}, value);
        }
    }

    void check_complete() const {
        require(Key::ts);
        if (plan_ == nullptr) return;
        for (std::size_t i = 0; i < std::size(kKeys); ++i)
            if ((plan_->required & bit(static_cast<Key>(i))) != 0) require(static_cast<Key>(i));
        // new fields go last: a log of an older catalogue has not all of them
        const std::uint32_t missing = is_older_ ? 0 : plan_->required_own & ~own_seen_;
        for (std::size_t i = 0; i < plan_->own.size(); ++i)
            if ((missing >> i & 1) != 0) throw bad(quoted(plan_->own[i].info->name) + " is missing");
    }

    // ---- the entries that are no records: rare, so each is read in a second pass ----

    template <typename OnField>
    void read_again(OnField on_field) {
        document_.rewind();
        ondemand::object object = root();
        for_each_field(object, on_field);
    }

    void read_texts(std::string_view key, ondemand::value value, const char* expected, std::vector<std::string>& to) {
        ondemand::array texts;
        if (value.get_array().get(texts) != simdjson::SUCCESS) throw bad_value(key, expected, value);
        for (auto item : texts) {
            ondemand::value text;
            check(std::move(item).get(text));
            to.emplace_back(text_of(key, text));
        }
    }

    EntryKind read_begin(Begin& begin) {
        begin = {};
        read_again([&](std::string_view key, ondemand::value value) {
            if (key == "ts") begin.ts_ns = parse_time(text_of(key, value)).value_or(0);
            if (key == "tool") begin.tool = text_of(key, value);
            if (key == "trace") begin.trace = text_of(key, value);
            if (key == "clock") begin.clock = text_of(key, value);
            if (key == "catalogue") begin.catalogue = static_cast<std::uint16_t>(number_of(key, value, 0xffff));
            if (key == "events") read_texts(key, value, "a list of names", begin.events);
            if (key == "first") {
                ondemand::array workers;
                if (value.get_array().get(workers) != simdjson::SUCCESS)
                    throw bad_value(key, "a list of workers", value);
                for (auto item : workers) {
                    ondemand::object worker;
                    if (item.get_object().get(worker) != simdjson::SUCCESS)
                        throw bad_value(key, "a list of workers", value);
                    begin.first.push_back(first_of(worker));
                }
            }
        });
        is_older_ = begin.catalogue != 0 && begin.catalogue < catalogue::kVersion;
        is_newer_ = begin.catalogue > catalogue::kVersion;
        return EntryKind::begin;
    }

    FirstSeq first_of(ondemand::object& worker) {
        FirstSeq first;
        for_each_field(worker, [&](std::string_view key, ondemand::value value) {
            if (key == "instance") {
                const auto instance = parse_instance(text_of(key, value));
                if (!instance) throw bad_value(key, "12 hexadecimal digits", value);
                first.worker.instance = *instance;
            }
            if (key == "worker") first.worker.index = static_cast<std::uint16_t>(number_of(key, value, 0xffff));
            if (key == "seq") first.seq = number_of(key, value, kMaxU64);
        });
        return first;
    }

    EntryKind read_gap(Gap& gap, const Record& record) {
        for (const Key key : {Key::ts, Key::instance, Key::worker})
            require(key);
        gap = {};
        gap.ts_ns = record.ts_ns;
        gap.worker = record.worker;
        bool has_from = false, has_to = false, has_lost = false;
        read_again([&](std::string_view key, ondemand::value value) {
            if (key == "from_seq") gap.from_seq = number_of(key, value, kMaxU64), has_from = true;
            if (key == "to_seq") gap.to_seq = number_of(key, value, kMaxU64), has_to = true;
            if (key == "lost") gap.lost = number_of(key, value, kMaxU64), has_lost = true;
            if (key == "explained") gap.explained = bool_of(key, value);
        });
        if (!has_from) throw bad("\"from_seq\" is missing");
        if (!has_to) throw bad("\"to_seq\" is missing");
        if (!has_lost) throw bad("\"lost\" is missing");
        if (gap.from_seq == 0) throw bad("\"from_seq\": expected at least 1, found 0");
        if (gap.to_seq < gap.from_seq)
            throw bad("\"to_seq\": expected at least " + std::to_string(gap.from_seq) + ", found " +
                      std::to_string(gap.to_seq));
        if (const std::uint64_t width = gap.to_seq - gap.from_seq + 1; gap.lost > width)
            throw bad("\"lost\": expected at most " + std::to_string(width) + ", found " + std::to_string(gap.lost));
        return EntryKind::gap;
    }

    EntryKind read_end(End& end, const Record& record) {
        end = {};
        end.ts_ns = record.ts_ns;
        bool has_records = false, has_lost = false;
        read_again([&](std::string_view key, ondemand::value value) {
            if (key == "records") end.records = number_of(key, value, kMaxU64), has_records = true;
            if (key == "lost") end.lost = number_of(key, value, kMaxU64), has_lost = true;
            if (key == "tail") end.tail = number_of(key, value, kMaxU64);
            if (key == "at_most") end.at_most = bool_of(key, value);
            if (key == "lost_others") end.lost_others = number_of(key, value, kMaxU64);
            if (key == "bad_parts") end.bad_parts = number_of(key, value, kMaxU64);
            if (key == "uncounted") read_texts(key, value, "a list of sentences", end.uncounted);
        });
        if (!has_records) throw bad("\"records\" is missing");
        if (!has_lost) throw bad("\"lost\" is missing");
        return EntryKind::end;
    }

    std::vector<Plan> plans_;  // transitions first: they are looked for first
    ondemand::parser parser_;
    ondemand::document document_;
    bool is_older_ = false;  // the log's catalogue is older than ours
    bool is_newer_ = false;

    // of the line that is being read
    KeySet seen_ = 0;
    std::string event_;
    std::string kind_;
    const Plan* plan_ = nullptr;
    bool resolved_ = false;
    std::size_t own_next_ = 0;  // where the next own field is expected
    std::uint32_t own_seen_ = 0;
};

LineParser::LineParser() : json_{std::make_unique<Json>()} {}
LineParser::~LineParser() = default;

EntryKind LineParser::parse(std::string_view line) {
    plain_.forget();
    return json_->parse(line, *this);
}

}  // namespace tiffany::pal
