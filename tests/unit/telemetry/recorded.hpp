#pragma once
/// What the telemetry tests share: the recording, which each test finds empty and switched off.

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <tiffany/telemetry/hooks.hpp>

#include "recording_module.hpp"

namespace tiffany::testing {

inline Recording& recording() {
    static Recording& found = [&]() -> Recording& {
        unsetenv("TIFFANY_LTTNG");  // "0" would keep the module out
        setenv("TIFFANY_LTTNG_MODULE", TIFFANY_RECORDING_MODULE, 1);
        void* handle = dlopen(TIFFANY_RECORDING_MODULE, RTLD_NOW);
        if (handle == nullptr) {
            ADD_FAILURE() << dlerror();
            std::abort();
        }
        return *reinterpret_cast<RecordingFunction>(dlsym(handle, "tiffany_testing_recording"))();
    }();
    return found;
}

class Recorded : public ::testing::Test {
  protected:
    Recorded() {
        recording().clear();
        recording().set_enabled(true);
        recording().ticks_enabled = false;
        recording().block_ns = 0;
        recording().poll_ns = Recording{}.poll_ns;
    }
    ~Recorded() override { recording().set_enabled(false); }

    /// What LTTng does when a session starts.
    static void start_session() {
        recording().set_enabled(true);
        recording().statedump();
    }
};

}  // namespace tiffany::testing
