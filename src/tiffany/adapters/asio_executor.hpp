#pragma once
/// The executor of a task that Boost.Asio's coroutines run: `co_await this_coro::executor` gives it, in an
/// any_io_executor.

#include <tiffany/telemetry/config.hpp>

#if TIFFANY_TELEMETRY

#include <utility>  // Asio 1.74 forgets it

#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <cstdint>
#include <memory>
#include <tiffany/adapters/detail/asio_run.hpp>
#include <type_traits>

namespace tiffany::detail {

/// Gives a function to a task's inner executor; as a run of the task, if `wake` says that it is one.
template <typename Inner, typename Function>
void asio_execute(const Inner& inner, const AsioTaskRef& task, const AsioWake& wake, Function&& function) {
    if (wake.kind == AsioWake::Kind::plain)
        boost::asio::execution::execute(inner, std::forward<Function>(function));
    else
        boost::asio::execution::execute(
            inner, AsioResume<std::decay_t<Function>>{task, wake, std::forward<Function>(function)});
}

}  // namespace tiffany::detail

namespace tiffany::asio {

/// An executor that runs a task's functions on another one, and tells of them. What is posted to it by others runs as
/// on the other one.
template <typename Inner>
class TaskExecutor {
  public:
    TaskExecutor(Inner inner, tiffany::detail::AsioTaskRef task) noexcept
        : inner_{std::move(inner)}, task_{std::move(task)} {}

    const Inner& inner() const noexcept { return inner_; }
    /// The task's number in events, and where it is. Any thread.
    std::uint64_t tid() const noexcept { return task_->tid(); }
    TaskState state() const noexcept { return task_->state(); }

    template <typename Function>
    void execute(Function&& function) const {
        tiffany::detail::asio_execute(inner_, task_, task_->wake(), std::forward<Function>(function));
    }

    template <typename Property>
    requires(boost::asio::can_require<const Inner&, const Property&>::value) auto require(
        const Property& property) const {
        return over(boost::asio::require(inner_, property));
    }
    template <typename Property>
    requires(boost::asio::can_prefer<const Inner&, const Property&>::value) auto prefer(
        const Property& property) const {
        return over(boost::asio::prefer(inner_, property));
    }
    template <typename Property>
    requires(boost::asio::can_query<const Inner&, const Property&>::value) decltype(auto)
        query(const Property& property) const {
        return boost::asio::query(inner_, property);
    }

    friend bool operator==(const TaskExecutor& a, const TaskExecutor& b) noexcept {
        return a.inner_ == b.inner_ && a.task_ == b.task_;
    }
    friend bool operator!=(const TaskExecutor& a, const TaskExecutor& b) noexcept { return !(a == b); }

  private:
    template <typename Other>
    TaskExecutor<Other> over(Other other) const {
        return {std::move(other), task_};
    }

    Inner inner_;
    tiffany::detail::AsioTaskRef task_;
};

#ifndef BOOST_ASIO_NO_TS_EXECUTORS  // by which a context is told of work

/// The same on an io_context, in two words: an any_io_executor keeps what is larger in memory that it allocates, and
/// there are some copies with other properties in each await.
template <unsigned kBits>
class TaskExecutor<boost::asio::io_context::basic_executor_type<std::allocator<void>, kBits>>
    : private tiffany::detail::AsioPlace {
    using Context = boost::asio::io_context;
    using Plain = Context::executor_type;
    using Blocking = boost::asio::execution::blocking_t;
    using Relationship = boost::asio::execution::relationship_t;
    using Work = boost::asio::execution::outstanding_work_t;

  public:
    using Inner = Context::basic_executor_type<std::allocator<void>, kBits>;

    TaskExecutor(const Inner& inner, const tiffany::detail::AsioTaskRef& its_task) noexcept
        : TaskExecutor{word_of(inner), its_task} {}
    TaskExecutor(const TaskExecutor& other) noexcept : TaskExecutor{other.word, other.task} {}
    TaskExecutor(TaskExecutor&& other) noexcept : AsioPlace{other.word, std::move(other.task)} {}
    TaskExecutor& operator=(TaskExecutor other) noexcept {
        std::swap(word, other.word);
        std::swap(task, other.task);
        return *this;
    }
    ~TaskExecutor() {
        if (kIsWork && task) task.release()->let_go_working([this] { context().get_executor().on_work_finished(); });
    }

    Inner inner() const {
        if constexpr (kIsWork)
            return boost::asio::require(plain(), Work::tracked_t{});
        else
            return plain();
    }
    std::uint64_t tid() const noexcept { return task->tid(); }
    TaskState state() const noexcept { return task->state(); }

    template <typename Function>
    void execute(Function&& function) const {
        const Plain inner = plain();  // what is in the queue counts as work, whatever brought it there
        tiffany::detail::AsioWake wake = task->wake();
        if (wake.at.known())  // somebody listens
            wake.at_once = (word & kNeverBlocks) == 0 && inner.running_in_this_thread();
        tiffany::detail::asio_execute(inner, task, wake, std::forward<Function>(function));
    }

    template <typename Property>
    requires(boost::asio::can_require<const Inner&, const Property&>::value) auto require(
        const Property& property) const {
        using Other = std::decay_t<typename boost::asio::require_result<const Inner&, const Property&>::type>;
        if constexpr (requires { word_with(property); })
            return TaskExecutor<Other>{word_with(property), task};
        else
            return TaskExecutor<Other>{boost::asio::require(inner(), property), task};  // with an allocator
    }
    template <typename Property>
    requires(boost::asio::can_query<const Inner&, const Property&>::value) decltype(auto)
        query(const Property& property) const {
        // others may depend on whether it is work
        if constexpr (std::is_same_v<Property, boost::asio::execution::context_t> || std::is_same_v<Property, Blocking>)
            return boost::asio::query(plain(), property);
        else
            return boost::asio::query(inner(), property);
    }

    friend bool operator==(const TaskExecutor& a, const TaskExecutor& b) noexcept {
        return a.word == b.word && a.task == b.task;
    }
    friend bool operator!=(const TaskExecutor& a, const TaskExecutor& b) noexcept { return !(a == b); }

  private:
    template <typename>
    friend class TaskExecutor;

    static constexpr bool kIsWork = !std::is_same_v<Inner, Plain>;
    static_assert(alignof(boost::asio::execution_context) > (kNeverBlocks | kContinues));

    TaskExecutor(std::uintptr_t its_word, const tiffany::detail::AsioTaskRef& its_task) noexcept
        : AsioPlace{its_word, {}} {
        if constexpr (kIsWork) {
            if (!its_task) return;  // of one that was moved from
            its_task->hold_working([this] { context().get_executor().on_work_started(); },
                                   [this] { context().get_executor().on_work_finished(); });
            task = tiffany::detail::AsioTaskRef{&*its_task};
        } else {
            task = its_task;
        }
    }

    static std::uintptr_t word_of(const Inner& inner) noexcept {
        const boost::asio::execution_context* const context = &inner.query(boost::asio::execution::context);
        auto its_word = reinterpret_cast<std::uintptr_t>(context);
        if (inner.query(Blocking{}) == Blocking::never_t{}) its_word |= kNeverBlocks;
        if (inner.query(Relationship{}) == Relationship::continuation_t{}) its_word |= kContinues;
        return its_word;
    }
    std::uintptr_t word_with(Blocking::possibly_t) const noexcept { return word & ~kNeverBlocks; }
    std::uintptr_t word_with(Blocking::never_t) const noexcept { return word | kNeverBlocks; }
    std::uintptr_t word_with(Relationship::fork_t) const noexcept { return word & ~kContinues; }
    std::uintptr_t word_with(Relationship::continuation_t) const noexcept { return word | kContinues; }
    std::uintptr_t word_with(Work::tracked_t) const noexcept { return word; }
    std::uintptr_t word_with(Work::untracked_t) const noexcept { return word; }

    Context& context() const noexcept {
        return static_cast<Context&>(*reinterpret_cast<boost::asio::execution_context*>(AsioPlace::context()));
    }
    /// The inner one, but it is no work.
    Plain plain() const noexcept {
        Plain executor = context().get_executor();
        if ((word & kNeverBlocks) != 0) executor = executor.require(Blocking::never_t{});
        if ((word & kContinues) != 0) executor = executor.require(Relationship::continuation_t{});
        return executor;
    }
};

static_assert(sizeof(TaskExecutor<boost::asio::io_context::executor_type>) <= sizeof(std::shared_ptr<void>));
// detail/asio_completion.hpp knows it as what it holds
static_assert(std::is_pointer_interconvertible_base_of_v<tiffany::detail::AsioPlace,
                                                         TaskExecutor<boost::asio::io_context::executor_type>>);

#endif

}  // namespace tiffany::asio

#endif
