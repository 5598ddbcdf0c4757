#include "shared_blocks.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace tiffany::ctf {
namespace {

/// All that the child can write to, from the beginning of its first page.
void overwrite_all_of(const SharedBlocks& blocks, char with) {
    constexpr std::uintptr_t kPage = 4096, kBlocks = 4;
    const auto first = reinterpret_cast<std::uintptr_t>(blocks.full(0).data()) / kPage * kPage;
    std::memset(reinterpret_cast<void*>(first), with, kBlocks * SharedBlocks::kBytes);
}

TEST(SharedBlocks, AreGivenBackWhateverTheChildWrites) {
    for (const char with : {'\0', 'U', '\x7f'}) {
        SharedBlocks blocks;
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            overwrite_all_of(blocks, with);
            ::_exit(0);
        }
        ASSERT_EQ(::waitpid(child, nullptr, 0), child);
        constexpr int kMoreThanAPipeHolds = 100'000;  // nobody waits for them
        for (int i = 0; i < kMoreThanAPipeHolds; ++i)
            blocks.empty();
        EXPECT_EQ(blocks.full(SharedBlocks::kBytes + 1).size(), SharedBlocks::kBytes);
    }
}

}  // namespace
}  // namespace tiffany::ctf
