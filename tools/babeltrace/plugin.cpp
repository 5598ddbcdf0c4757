// The babeltrace2 plugin: component class sink.tiffany.pal writes what it gets as a PAL log.
//
//   babeltrace2 --plugin-path=DIR TRACE -c sink.tiffany.pal --params='path="out.pal"'
//
// Parameters: path (string; default "-", the standard output; `.zst` is compressed), ticks (bool; default false: take
// the scheduler's ticks too).
//
// It only adapts: the decoder, the loss accounting and the writer are the same as paltrace's. Unlike paltrace it runs
// in babeltrace2's own process, behind its own source: a damaged trace can make babeltrace2 2.0.4 loop for ever.

#include <babeltrace2/babeltrace.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/loss.hpp>
#include <tiffany/pal/output.hpp>
#include <tiffany/pal/writer.hpp>
#include <utility>

#include "anchors.hpp"
#include "bt_ref.hpp"
#include "decoder.hpp"
#include "late_error.hpp"
#include "record_heap.hpp"
#include "record_pool.hpp"

namespace {

using namespace tiffany;

constexpr std::size_t kAhead = 4096;  // records that are looked at before Begin is written, and the most of one time

struct Parameters {
    std::string path = "-";
    bool ticks = false;
};

/// One log that is being written.
class PalSink : public ctf::TraceSink {
  public:
    explicit PalSink(const Parameters& parameters)
        : file_{parameters.path},
          writer_{file_},
          judge_{writer_},
          source_{judge_.add_source()},
          decoder_{*this, parameters.ticks} {}

    static PalSink& of(bt_self_component_sink* self) {
        return *static_cast<PalSink*>(bt_self_component_get_data(bt_self_component_sink_as_self_component(self)));
    }

    void take(bt_message_iterator* iterator) { iterator_.reset(iterator); }
    bt_message_iterator* iterator() const { return iterator_.get(); }
    ctf::LateError& late_error() { return late_error_; }
    void message(const bt_message* message) { decoder_.message(message); }

    void finish() {
        while (!heap_.empty())
            give();
        give_last();
        if (!begun_) throw Error{ErrorKind::content, "the trace holds no tiffany events"};
        judge_.finish();
        file_.commit();
        iterator_.reset();
    }

    void facts(const ctf::TraceFacts& facts) override {
        if (facts.tiffany && !facts.name.empty()) traces_.insert(facts.name);
        if (begin_.clock.empty()) begin_.clock = facts.clock;
        if (facts.from_start) judge_.mark_from_start(source_);
        if (!facts.selection) return;
        // of several traces, one for each process, one is enough: they come muxed, as one source
        selected_.insert(facts.events.begin(), facts.events.end());
        judge_.mark_selection(source_);
    }
    /// babeltrace2 gives messages in the order of time: only those of one time are not in order yet. Nearly all have a
    /// time of their own, so each stays in the decoder's hands until the next one tells that, and is copied if not.
    void record(const pal::Record& record) override {
        if (last_ != nullptr) [[likely]] {
            if (last_->ts_ns < record.ts_ns) [[likely]] {
                judge_.record(source_, *last_);
                last_ = &record;
                return;
            }
            keep(*std::exchange(last_, nullptr));
        }
        if (heap_.size() == kAhead) give();
        while (begun_ && !heap_.empty() && heap_.first().ts_ns < record.ts_ns)
            give();
        if (begun_ && heap_.empty())
            last_ = &record;
        else
            keep(record);
    }
    void discarded(const pal::Discarded& discarded) override { judge_.discarded(source_, discarded); }

  private:
    void keep(const pal::Record& record) {
        pal::Record& kept = pool_.fresh();
        kept = record;
        heap_.add(source_, kept, ctf::kNoAnchor);  // one source: nothing comes twice
    }
    void give_last() {
        if (last_ != nullptr) judge_.record(source_, *std::exchange(last_, nullptr));
    }
    void give() {
        if (!begun_) {
            begun_ = true;
            begin_.tool = "sink.tiffany.pal " TIFFANY_VERSION;
            begin_.ts_ns = heap_.first().ts_ns;
            for (const std::string& name : traces_)
                begin_.trace += (begin_.trace.empty() ? "" : ", ") + name;
            begin_.events.assign(selected_.begin(), selected_.end());
            heap_.for_each([this](const pal::Record& record) {
                begin_.catalogue = std::max(begin_.catalogue, static_cast<std::uint16_t>(record.number("catalogue")));
            });
            judge_.begin(begin_);
        }
        const ctf::RecordHeap::Place next = heap_.take();
        judge_.record(next.source, *next.record);
        pool_.recycle(*next.record);
    }

    pal::OutputFile file_;
    pal::LogWriter writer_;
    pal::LossJudge judge_;
    std::size_t source_;
    ctf::Decoder decoder_;
    ctf::RecordPool pool_;
    ctf::RecordHeap heap_;               // what is looked at before Begin is written, and later what is of one time
    const pal::Record* last_ = nullptr;  // the decoder's, once Begin is written and while heap_ is empty
    ctf::Ref<bt_message_iterator> iterator_;
    ctf::LateError late_error_;
    pal::Begin begin_;
    std::set<std::string> traces_;
    std::set<std::string> selected_;
    bool begun_ = false;
};

/// Inside a catch: every sentence of the exception becomes an error cause, the deepest first, as babeltrace2 wants it.
/// Returns whether memory ran out.
bool append_causes(bt_self_component* self) noexcept {
    const auto append = [self](const char* sentence) noexcept {
        bt_current_thread_error_append_cause_from_component(self, __FILE__, __LINE__, "%s", sentence);
    };
    try {
        throw;
    } catch (const std::bad_alloc&) {
        return true;
    } catch (const Error& error) {
        for (auto sentence = error.sentences().rbegin(); sentence != error.sentences().rend(); ++sentence)
            append(sentence->c_str());
    } catch (const std::exception& error) {
        append(error.what());
    } catch (...) {
        append("an unknown exception");
    }
    return false;
}

Parameters parse(const bt_value* values) {
    Parameters parameters;
    if (const bt_value* path = bt_value_map_borrow_entry_value_const(values, "path")) {
        if (!bt_value_is_string(path)) throw Error{ErrorKind::usage, "parameter path: expected a string"};
        parameters.path = bt_value_string_get(path);
    }
    if (const bt_value* ticks = bt_value_map_borrow_entry_value_const(values, "ticks")) {
        if (!bt_value_is_bool(ticks))
            throw Error{ErrorKind::usage, "parameter ticks: expected yes or no, without quotes"};
        parameters.ticks = bt_value_bool_get(ticks) != BT_FALSE;
    }
    const auto refuse_unknown = [](const char* key, const bt_value*, void* unknown) {
        const std::string_view name{key};
        if (name == "path" || name == "ticks") return BT_VALUE_MAP_FOREACH_ENTRY_CONST_FUNC_STATUS_OK;
        *static_cast<const char**>(unknown) = key;
        return BT_VALUE_MAP_FOREACH_ENTRY_CONST_FUNC_STATUS_INTERRUPT;
    };
    const char* unknown = nullptr;
    bt_value_map_foreach_entry_const(values, refuse_unknown, &unknown);
    if (unknown != nullptr)
        throw Error{ErrorKind::usage, "unknown parameter " + std::string{unknown} + ": expected path or ticks"};
    return parameters;
}

bt_component_class_initialize_method_status initialize(bt_self_component_sink* self,
                                                       bt_self_component_sink_configuration*, const bt_value* values,
                                                       void*) noexcept {
    bt_self_component* const component = bt_self_component_sink_as_self_component(self);
    if (bt_self_component_sink_add_input_port(self, "in", nullptr, nullptr) != BT_SELF_COMPONENT_ADD_PORT_STATUS_OK)
        return BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_ERROR;
    try {
        bt_self_component_set_data(component, std::make_unique<PalSink>(parse(values)).release());
        return BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_OK;
    } catch (...) {
        return append_causes(component) ? BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_MEMORY_ERROR
                                        : BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_ERROR;
    }
}

void finalize(bt_self_component_sink* self) noexcept {
    delete &PalSink::of(self);  // an output that is not whole goes with it
}

bt_component_class_sink_graph_is_configured_method_status graph_is_configured(bt_self_component_sink* self) noexcept {
    bt_message_iterator* iterator = nullptr;
    switch (bt_message_iterator_create_from_sink_component(
        self, bt_self_component_sink_borrow_input_port_by_index(self, 0), &iterator)) {
        case BT_MESSAGE_ITERATOR_CREATE_FROM_SINK_COMPONENT_STATUS_OK:
            PalSink::of(self).take(iterator);
            return BT_COMPONENT_CLASS_SINK_GRAPH_IS_CONFIGURED_METHOD_STATUS_OK;
        case BT_MESSAGE_ITERATOR_CREATE_FROM_SINK_COMPONENT_STATUS_MEMORY_ERROR:
            return BT_COMPONENT_CLASS_SINK_GRAPH_IS_CONFIGURED_METHOD_STATUS_MEMORY_ERROR;
        case BT_MESSAGE_ITERATOR_CREATE_FROM_SINK_COMPONENT_STATUS_ERROR:
            break;
    }
    return BT_COMPONENT_CLASS_SINK_GRAPH_IS_CONFIGURED_METHOD_STATUS_ERROR;
}

void take_all(PalSink& sink, bt_message_array_const messages, std::uint64_t count) {
    std::exception_ptr thrown;
    for (std::uint64_t i = 0; i < count; ++i) {
        const ctf::Ref<const bt_message> message{messages[i]};  // the references of the whole batch are ours
        if (thrown) continue;
        try {
            sink.message(message.get());
        } catch (...) {
            thrown = std::current_exception();
        }
    }
    if (thrown) std::rethrow_exception(thrown);
}

bt_component_class_sink_consume_method_status consume(bt_self_component_sink* self) noexcept try {
    PalSink& sink = PalSink::of(self);
    if (sink.late_error().give_back()) return BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_ERROR;
    bt_message_array_const messages = nullptr;
    std::uint64_t count = 0;
    switch (bt_message_iterator_next(sink.iterator(), &messages, &count)) {
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_OK:
            sink.late_error().keep();
            take_all(sink, messages, count);
            return BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_OK;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_END:
            sink.finish();
            return BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_END;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_AGAIN:
            return BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_AGAIN;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_MEMORY_ERROR:
            return BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_MEMORY_ERROR;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_ERROR:
            break;
    }
    return BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_ERROR;
} catch (...) {
    return append_causes(bt_self_component_sink_as_self_component(self))
               ? BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_MEMORY_ERROR
               : BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_ERROR;
}

}  // namespace

BT_PLUGIN_MODULE();
BT_PLUGIN(tiffany);
BT_PLUGIN_DESCRIPTION("Tiffany: task telemetry");
BT_PLUGIN_LICENSE("MIT");
BT_PLUGIN_SINK_COMPONENT_CLASS(pal, consume);
BT_PLUGIN_SINK_COMPONENT_CLASS_DESCRIPTION(pal, "Writes a PAL log (Process Activity Log, JSON Lines)");
BT_PLUGIN_SINK_COMPONENT_CLASS_INITIALIZE_METHOD(pal, initialize);
BT_PLUGIN_SINK_COMPONENT_CLASS_FINALIZE_METHOD(pal, finalize);
BT_PLUGIN_SINK_COMPONENT_CLASS_GRAPH_IS_CONFIGURED_METHOD(pal, graph_is_configured);
