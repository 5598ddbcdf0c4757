#include "ctf_graph.hpp"

#include <exception>

#include "bt_error.hpp"
#include "bt_ref.hpp"

namespace tiffany::ctf {
namespace {

/// The simple sink: hands messages on, and keeps an exception, which must not cross libbabeltrace2.
struct MessageSink {
    const OnMessage& on_message;
    std::exception_ptr thrown;
};

using ConsumeStatus = bt_graph_simple_sink_component_consume_func_status;

ConsumeStatus consume(bt_message_iterator* iterator, void* data) {
    MessageSink& sink = *static_cast<MessageSink*>(data);
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

}  // namespace

void decode_trace(const std::string& directory, const OnMessage& on_message) {
    const Ref<const bt_plugin> ctf = find_plugin("ctf");
    const Ref<const bt_plugin> utils = find_plugin("utils");
    MessageSink sink{on_message, nullptr};
    const Ref<bt_graph> graph{bt_graph_create(0)};
    if (graph == nullptr) throw take_error("cannot make babeltrace2's graph");

    const bt_component_source* source = nullptr;
    if (bt_graph_add_source_component(
            graph.get(), bt_plugin_borrow_source_component_class_by_name_const(ctf.get(), "fs"), "trace",
            inputs_parameter(directory).get(), BT_LOGGING_LEVEL_NONE, &source) != BT_GRAPH_ADD_COMPONENT_STATUS_OK)
        throw take_error("cannot open trace " + directory + ": babeltrace2 dislikes " + directory +
                         "/metadata or the start of a stream");
    const std::uint64_t streams = bt_component_source_get_output_port_count(source);
    if (streams == 0) return;

    const bt_component_filter* muxer = nullptr;
    if (bt_graph_add_filter_component(
            graph.get(), bt_plugin_borrow_filter_component_class_by_name_const(utils.get(), "muxer"), "muxer", nullptr,
            BT_LOGGING_LEVEL_NONE, &muxer) != BT_GRAPH_ADD_COMPONENT_STATUS_OK)
        throw take_error("cannot make babeltrace2's muxer");
    const bt_component_sink* end = nullptr;
    if (bt_graph_add_simple_sink_component(graph.get(), "pal", nullptr, consume, nullptr, &sink, &end) !=
        BT_GRAPH_ADD_COMPONENT_STATUS_OK)
        throw take_error("cannot make babeltrace2's sink");
    for (std::uint64_t i = 0; i < streams; ++i)  // the muxer gets a new port whenever its last one is connected
        connect(graph.get(), bt_component_source_borrow_output_port_by_index_const(source, i),
                bt_component_filter_borrow_input_port_by_index_const(muxer, i));
    connect(graph.get(), bt_component_filter_borrow_output_port_by_index_const(muxer, 0),
            bt_component_sink_borrow_input_port_by_index_const(end, 0));

    const bt_graph_run_status status = bt_graph_run(graph.get());
    if (sink.thrown) {
        bt_current_thread_clear_error();
        std::rethrow_exception(sink.thrown);
    }
    if (status != BT_GRAPH_RUN_STATUS_OK) throw take_error("cannot decode trace " + directory);
}

}  // namespace tiffany::ctf
