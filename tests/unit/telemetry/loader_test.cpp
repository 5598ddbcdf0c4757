// The log begins on one thread while another one opens a plugin, whose constructor uses the library.

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <tiffany/telemetry/configure.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/pal_status.hpp>

#include "../temporary_folder.hpp"

namespace tiffany::testing {
namespace {

constexpr unsigned kPluginHangsS = 60;  // a guard: threads that wait for each other would do so for ever

std::filesystem::path log_of_plugin;
std::thread beside_plugin;
bool constructed = false;

}  // namespace

extern "C" void tiffany_testing_in_constructor() {
    beside_plugin = std::thread{[] { const SchedulerTelemetry first{"first"}; }};
    // then it is in the middle of beginning the log, or has done so
    while (!std::filesystem::exists(log_of_plugin))
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    const SchedulerTelemetry second{"second"};
    constructed = pal_status().active;
}

TEST(Loader, AConstructorOfAPluginMakesASchedulerWhileAnotherThreadBeginsTheLog) {
    const test::TemporaryFolder folder;
    log_of_plugin = folder.path() / "log.pal";
    setenv("TIFFANY_LTTNG", "0", 1);
    setenv("TIFFANY_PAL", log_of_plugin.c_str(), 1);
    alarm(kPluginHangsS);
    void* const plugin = dlopen(TIFFANY_LOADER_PLUGIN, RTLD_NOW);
    ASSERT_NE(plugin, nullptr) << dlerror();
    beside_plugin.join();
    alarm(0);
    EXPECT_TRUE(constructed);
    EXPECT_TRUE(flush_pal());
    dlclose(plugin);
}

}  // namespace tiffany::testing
