#pragma once
/// One CTF trace, decoded by libbabeltrace2: source.ctf.fs, filter.utils.muxer, and a sink of ours.

#include <babeltrace2/babeltrace.h>

#include <cstdint>
#include <functional>
#include <string>

namespace tiffany::ctf {

/// Called with each message, in time order. What it throws ends the decoding and is passed on.
using OnMessage = std::function<void(const bt_message*)>;

/// Finds libbabeltrace2's plugins and keeps them, for a process that will not be able to (confine.hpp).
/// Errors: one is missing (system).
void load_plugins();

/// Decodes the trace whose `metadata` lies in `directory`.
/// Errors: libbabeltrace2's chain, shortened (content); its plugins are missing (system).
void decode_trace(const std::string& directory, const OnMessage& on_message);

/// Decodes one of its streams by itself, without the muxer.
/// @return false if it has no stream of that number, counted from 0
bool decode_stream(const std::string& directory, std::uint64_t stream, const OnMessage& on_message);

}  // namespace tiffany::ctf
