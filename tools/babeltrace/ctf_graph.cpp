#include "ctf_graph.hpp"

#include <exception>

#include "bt_error.hpp"
#include "bt_ref.hpp"
#include "late_error.hpp"

namespace tiffany::ctf {
namespace {

/// The simple sink: hands messages on, and keeps an exception, which must not cross libbabeltrace2.
struct MessageSink {
    const OnMessage& on_message;
    std::exception_ptr thrown;
    LateError error;
};

using ConsumeStatus = bt_graph_simple_sink_component_consume_func_status;

ConsumeStatus consume(bt_message_iterator* iterator, void* data) {
    MessageSink& sink = *static_cast<MessageSink*>(data);
    if (sink.error.give_back()) return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_ERROR;
    bt_message_array_const messages = nullptr;
    std::uint64_t count = 0;
    switch (bt_message_iterator_next(iterator, &messages, &count)) {
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_OK:
            break;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_END:
            return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_END;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_AGAIN:
            return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_AGAIN;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_MEMORY_ERROR:
            return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_MEMORY_ERROR;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_ERROR:
            return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_ERROR;
    }
    sink.error.keep();
    for (std::uint64_t i = 0; i < count; ++i) {
        const Ref<const bt_message> message{messages[i]};  // the references of the whole batch are ours
        if (sink.thrown) continue;
        try {
            sink.on_message(message.get());
        } catch (...) {
            sink.thrown = std::current_exception();
        }
    }
    return sink.thrown ? BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_ERROR
                       : BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_OK;
}

Ref<const bt_plugin> find_plugin(const char* name) {
    const bt_plugin* plugin = nullptr;
    if (bt_plugin_find(name, BT_TRUE, BT_TRUE, BT_TRUE, BT_TRUE, BT_FALSE, &plugin) != BT_PLUGIN_FIND_STATUS_OK) {
        bt_current_thread_clear_error();
        throw Error{ErrorKind::system, "cannot find the plugin \"" + std::string{name} +
                                           "\" of babeltrace2: is the package babeltrace2 whole?"};
    }
    return Ref<const bt_plugin>{plugin};
}

/// Found once: looking loads every plugin that is installed.
struct Plugins {
    Ref<const bt_plugin> ctf = find_plugin("ctf");
    Ref<const bt_plugin> utils = find_plugin("utils");

    static const Plugins& get() {
        static const Plugins plugins;
        return plugins;
    }
};

Ref<bt_value> inputs_parameter(const std::string& directory) {
    Ref<bt_value> parameters{bt_value_map_create()};
    bt_value* inputs = nullptr;
    if (parameters == nullptr ||
        bt_value_map_insert_empty_array_entry(parameters.get(), "inputs", &inputs) !=
            BT_VALUE_MAP_INSERT_ENTRY_STATUS_OK ||
        bt_value_array_append_string_element(inputs, directory.c_str()) != BT_VALUE_ARRAY_APPEND_ELEMENT_STATUS_OK)
        throw take_error("cannot name the trace to babeltrace2");
    return parameters;
}

void connect(bt_graph* graph, const bt_port_output* from, const bt_port_input* to) {
    if (bt_graph_connect_ports(graph, from, to, nullptr) != BT_GRAPH_CONNECT_PORTS_STATUS_OK)
        throw take_error("cannot connect babeltrace2's components");
}

/// A graph whose source is one trace and whose end calls `on_message`.
class TraceGraph {
  public:
    TraceGraph(const std::string& directory, const OnMessage& on_message)
        : sink_{on_message, nullptr, {}}, graph_{bt_graph_create(0)} {
        if (graph_ == nullptr) throw take_error("cannot make babeltrace2's graph");
        if (bt_graph_add_source_component(
                graph_.get(), bt_plugin_borrow_source_component_class_by_name_const(Plugins::get().ctf.get(), "fs"),
                "trace", inputs_parameter(directory).get(), BT_LOGGING_LEVEL_NONE,
                &source_) != BT_GRAPH_ADD_COMPONENT_STATUS_OK)
            throw take_error("cannot open trace " + directory + ": babeltrace2 dislikes " + directory +
                             "/metadata or the start of a stream");
        if (bt_graph_add_simple_sink_component(graph_.get(), "pal", nullptr, consume, nullptr, &sink_, &end_) !=
            BT_GRAPH_ADD_COMPONENT_STATUS_OK)
            throw take_error("cannot make babeltrace2's sink");
    }

    bt_graph* get() const { return graph_.get(); }
    std::uint64_t streams() const { return bt_component_source_get_output_port_count(source_); }
    const bt_port_output* stream(std::uint64_t i) const {
        return bt_component_source_borrow_output_port_by_index_const(source_, i);
    }
    const bt_port_input* end() const { return bt_component_sink_borrow_input_port_by_index_const(end_, 0); }

    void run(const std::string& what_fails) {
        const bt_graph_run_status status = bt_graph_run(graph_.get());
        if (sink_.thrown) {
            bt_current_thread_clear_error();
            std::rethrow_exception(sink_.thrown);
        }
        if (status != BT_GRAPH_RUN_STATUS_OK) throw take_error(what_fails);
    }

  private:
    MessageSink sink_;
    Ref<bt_graph> graph_;
    const bt_component_source* source_ = nullptr;
    const bt_component_sink* end_ = nullptr;
};

}  // namespace

void load_plugins() {
    Plugins::get();
}

void decode_trace(const std::string& directory, const OnMessage& on_message) {
    TraceGraph graph{directory, on_message};
    if (graph.streams() == 0) return;

    const bt_component_filter* muxer = nullptr;
    if (bt_graph_add_filter_component(
            graph.get(), bt_plugin_borrow_filter_component_class_by_name_const(Plugins::get().utils.get(), "muxer"),
            "muxer", nullptr, BT_LOGGING_LEVEL_NONE, &muxer) != BT_GRAPH_ADD_COMPONENT_STATUS_OK)
        throw take_error("cannot make babeltrace2's muxer");
    const Ref<const bt_component_class_filter> late_error = late_error_filter();
    for (std::uint64_t i = 0; i < graph.streams(); ++i) {
        const bt_component_filter* passes = nullptr;
        if (bt_graph_add_filter_component(graph.get(), late_error.get(), ("late-error-" + std::to_string(i)).c_str(),
                                          nullptr, BT_LOGGING_LEVEL_NONE, &passes) != BT_GRAPH_ADD_COMPONENT_STATUS_OK)
            throw take_error("cannot make a filter of babeltrace2");
        connect(graph.get(), graph.stream(i), bt_component_filter_borrow_input_port_by_index_const(passes, 0));
        // the muxer gets a new port whenever its last one is connected
        connect(graph.get(), bt_component_filter_borrow_output_port_by_index_const(passes, 0),
                bt_component_filter_borrow_input_port_by_index_const(muxer, i));
    }
    connect(graph.get(), bt_component_filter_borrow_output_port_by_index_const(muxer, 0), graph.end());
    graph.run("cannot decode trace " + directory);
}

bool decode_stream(const std::string& directory, std::uint64_t stream, const OnMessage& on_message) {
    TraceGraph graph{directory, on_message};
    if (stream >= graph.streams()) return false;
    connect(graph.get(), graph.stream(stream), graph.end());
    graph.run("its content is no CTF of this trace's metadata");
    return true;
}

}  // namespace tiffany::ctf
