#pragma once
/// Events that lie in a trace as the catalogue has them, which is how lttng-ust writes ours where nothing is aligned:
/// for these there is code, made when this is compiled, instead of steps that are followed.

#include "event_layout.hpp"

namespace tiffany::ctf {

/// The code for events that consist of `steps`; null unless these take exactly the fields that the catalogue has.
DecodeFields catalogue_decoder(const EventPlan& plan, const Layout& steps);

}  // namespace tiffany::ctf
