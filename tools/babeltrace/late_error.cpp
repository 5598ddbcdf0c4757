#include "late_error.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <new>
#include <utility>

#include "bt_error.hpp"

namespace tiffany::ctf {
namespace {

using Initialized = bt_component_class_initialize_method_status;
using IteratorInitialized = bt_message_iterator_class_initialize_method_status;
using NextStatus = bt_message_iterator_class_next_method_status;

struct Passing {
    Ref<bt_message_iterator> from;
    LateError error;
};

Initialized add_ports(bt_self_component_filter* self, bt_self_component_filter_configuration* /*configuration*/,
                      const bt_value* /*parameters*/, void* /*data*/) {
    bt_self_component_port_input* in = nullptr;
    if (bt_self_component_filter_add_input_port(self, "in", nullptr, &in) != BT_SELF_COMPONENT_ADD_PORT_STATUS_OK ||
        bt_self_component_filter_add_output_port(self, "out", nullptr, nullptr) != BT_SELF_COMPONENT_ADD_PORT_STATUS_OK)
        return BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_ERROR;
    bt_self_component_set_data(bt_self_component_filter_as_self_component(self), in);
    return BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_OK;
}

IteratorInitialized begin_passing(bt_self_message_iterator* self,
                                  bt_self_message_iterator_configuration* /*configuration*/,
                                  bt_self_component_port_output* /*port*/) {
    auto* in = static_cast<bt_self_component_port_input*>(
        bt_self_component_get_data(bt_self_message_iterator_borrow_component(self)));
    bt_message_iterator* from = nullptr;
    if (bt_message_iterator_create_from_message_iterator(self, in, &from) !=
        BT_MESSAGE_ITERATOR_CREATE_FROM_MESSAGE_ITERATOR_STATUS_OK)
        return BT_MESSAGE_ITERATOR_CLASS_INITIALIZE_METHOD_STATUS_ERROR;
    Ref<bt_message_iterator> owned{from};
    auto* passing = new (std::nothrow) Passing{std::move(owned), {}};
    if (passing == nullptr) return BT_MESSAGE_ITERATOR_CLASS_INITIALIZE_METHOD_STATUS_MEMORY_ERROR;
    bt_self_message_iterator_set_data(self, passing);
    return BT_MESSAGE_ITERATOR_CLASS_INITIALIZE_METHOD_STATUS_OK;
}

void end_passing(bt_self_message_iterator* self) {
    const std::unique_ptr<Passing> dies{static_cast<Passing*>(bt_self_message_iterator_get_data(self))};
}

NextStatus pass_next(bt_self_message_iterator* self, bt_message_array_const messages, std::uint64_t capacity,
                     std::uint64_t* count) {
    Passing& passing = *static_cast<Passing*>(bt_self_message_iterator_get_data(self));
    if (passing.error.give_back()) return BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_ERROR;
    bt_message_array_const given = nullptr;
    switch (bt_message_iterator_next(passing.from.get(), &given, count)) {
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_OK:
            break;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_END:
            return BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_END;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_AGAIN:
            return BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_AGAIN;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_MEMORY_ERROR:
            return BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_MEMORY_ERROR;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_ERROR:
            return BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_ERROR;
    }
    assert(*count <= capacity);                                // each iterator has room for the same number
    std::copy_n(given, std::min(*count, capacity), messages);  // and the references with them
    passing.error.keep();
    return BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_OK;
}

}  // namespace

Ref<const bt_component_class_filter> late_error_filter() {
    const Ref<bt_message_iterator_class> iterators{bt_message_iterator_class_create(pass_next)};
    if (iterators == nullptr) throw take_error("cannot make a filter of babeltrace2");
    bt_message_iterator_class_set_initialize_method(iterators.get(), begin_passing);
    bt_message_iterator_class_set_finalize_method(iterators.get(), end_passing);
    Ref<bt_component_class_filter> filter{bt_component_class_filter_create("late-error", iterators.get())};
    if (filter == nullptr) throw take_error("cannot make a filter of babeltrace2");
    bt_component_class_filter_set_initialize_method(filter.get(), add_ports);
    return filter;
}

}  // namespace tiffany::ctf
