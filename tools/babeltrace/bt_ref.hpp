#pragma once
/// Owning handles of libbabeltrace2's objects: Ref<bt_graph> puts its reference when it dies.

#include <babeltrace2/babeltrace.h>

#include <memory>

namespace tiffany::ctf {

struct PutRef {
    void operator()(const bt_graph* p) const noexcept { bt_graph_put_ref(p); }
    void operator()(const bt_plugin* p) const noexcept { bt_plugin_put_ref(p); }
    void operator()(const bt_value* p) const noexcept { bt_value_put_ref(p); }
    void operator()(const bt_message* p) const noexcept { bt_message_put_ref(p); }
    void operator()(const bt_component_class_filter* p) const noexcept { bt_component_class_filter_put_ref(p); }
    void operator()(const bt_message_iterator_class* p) const noexcept { bt_message_iterator_class_put_ref(p); }
    void operator()(const bt_message_iterator* p) const noexcept { bt_message_iterator_put_ref(p); }
};

template <typename Object>
using Ref = std::unique_ptr<Object, PutRef>;

}  // namespace tiffany::ctf
