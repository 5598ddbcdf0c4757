#pragma once
/// What other threads give to a loop: tasks that they spawned or woke, functions to call.

#include <atomic>
#include <functional>
#include <utility>

#include "task_core.hpp"

namespace tiffany::detail {

/// Two stacks that any thread pushes onto, without a lock; whoever empties them turns them round, so that what came
/// first goes first.
class Inbox {
  public:
    struct Function {
        std::function<void()> call;
        [[no_unique_address]] Stamp posted_at;
        Function* next = nullptr;
    };

    Inbox() = default;
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;
    ~Inbox();

    // Any thread. seq_cst: the one that pushes then looks whether the loop is asleep, and the loop, falling asleep,
    // then looks whether something was pushed; one of them sees the other.

    void push(TaskCore& task) noexcept { push_onto(tasks_, &task); }
    void push(Function* function) noexcept { push_onto(functions_, function); }
    bool any() const noexcept { return tasks_.load() != nullptr || functions_.load() != nullptr; }

    /// Linked by `next`, in the order in which they came; null: none.
    TaskCore* take_tasks() noexcept { return in_order(tasks_.exchange(nullptr)); }
    Function* take_functions() noexcept { return in_order(functions_.exchange(nullptr)); }

  private:
    template <typename Node>
    static void push_onto(std::atomic<Node*>& stack, Node* node) noexcept {
        node->next = stack.load(std::memory_order_relaxed);
        while (!stack.compare_exchange_weak(node->next, node)) {
        }
    }
    template <typename Node>
    static Node* in_order(Node* newest) noexcept {
        Node* oldest = nullptr;
        while (newest != nullptr)
            oldest = std::exchange(newest, std::exchange(newest->next, oldest));
        return oldest;
    }

    std::atomic<TaskCore*> tasks_{nullptr};
    std::atomic<Function*> functions_{nullptr};
};

}  // namespace tiffany::detail
