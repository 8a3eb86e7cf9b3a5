"""`run_all`, `race` and `cancel_tasks`: no task outlives the call, and errors come as they are."""

import asyncio
from contextlib import suppress

import pytest

from streams.system import tasks as tasks_module
from streams.system.tasks import cancel_tasks, keep_cancellation, race, run_all


class Work:
    """A coroutine that waits for ever, and records that it was cancelled."""

    def __init__(self) -> None:
        self.is_cancelled = False

    async def run(self) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        return "never"


async def give(value: str) -> str:
    """Return at once."""
    return value


async def fail() -> str:
    """Raise at once."""
    raise ZeroDivisionError


async def succeed() -> None:
    """Return at once."""


async def test_the_first_to_end_wins() -> None:
    """Its value is returned, and the others are cancelled."""
    work = Work()
    assert await race(work.run(), give("first")) == "first"
    assert work.is_cancelled


async def test_of_several_the_first_argument_wins() -> None:
    """Both have ended in the same step of the loop."""
    assert await race(give("one"), give("two")) == "one"


async def fail_in_clean_up() -> str:
    """Wait for ever, and raise when it is cancelled."""
    try:
        await asyncio.Event().wait()
    finally:
        raise OSError("the clean-up failed")


async def test_the_winner_decides(caplog: pytest.LogCaptureFixture) -> None:
    """An error in the clean-up of another one is logged, and does not take the place of the result."""
    assert await race(fail_in_clean_up(), give("first")) == "first"
    assert await race(give("one"), fail()) == "one"
    assert "the clean-up failed" in caplog.text


async def test_a_cancelled_race_stays_cancelled() -> None:
    """An error in a clean-up does not take the place of the cancellation."""
    running = asyncio.create_task(race(fail_in_clean_up()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_winners_error_is_raised_itself() -> None:
    """It is not wrapped in a group."""
    work = Work()
    with pytest.raises(ZeroDivisionError):
        await race(work.run(), fail())
    assert work.is_cancelled


async def test_a_cancelled_race_cancels_everything() -> None:
    """The caller gets CancelledError after all have ended."""
    works = [Work(), Work()]
    task = asyncio.create_task(race(*(work.run() for work in works)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [work.is_cancelled for work in works] == [True, True]


async def test_run_all_waits_for_all() -> None:
    """It returns once every one has returned."""
    ended: list[int] = []

    async def end(number: int) -> None:
        await asyncio.sleep(0.01 * number)
        ended.append(number)

    await run_all(end(2), end(1), succeed())
    assert ended == [1, 2]


async def test_run_all_raises_the_first_error_itself() -> None:
    """The others are cancelled."""
    is_cancelled = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            is_cancelled.set()

    async def break_down() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_all(wait(), break_down())
    assert is_cancelled.is_set()


async def lose_one_cancellation() -> None:
    """Go on after the first cancellation, as an aiokafka consumer that is starting can."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


async def test_run_all_names_a_work_that_another_tasks_cancellation_has_ended() -> None:
    """It would end without a word, and the others would go on without it."""
    other = Work()

    async def wait() -> None:
        await other.run()

    async def end() -> None:
        await await_a_cancelled_task()

    with pytest.raises(RuntimeError, match="another task"):
        await run_all(wait(), end())
    assert other.is_cancelled


async def await_a_cancelled_task() -> str:
    """End with CancelledError, without having been cancelled."""
    task = asyncio.create_task(Work().run())
    await asyncio.sleep(0)
    task.cancel()
    return await task


async def test_a_race_names_a_winner_that_another_tasks_cancellation_has_ended() -> None:
    """Its caller would end without a word, as if somebody had cancelled it."""
    other = Work()
    with pytest.raises(RuntimeError, match="another task"):
        await race(other.run(), await_a_cancelled_task())
    assert other.is_cancelled


async def test_a_lost_cancellation_is_repeated() -> None:
    """A task that loses one ends all the same, and an ended one is no obstacle."""
    tasks = [asyncio.create_task(work) for work in (lose_one_cancellation(), succeed())]
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await cancel_tasks(*tasks, again_after_s=0.01)
    assert tasks[0].cancelled()
    assert tasks[1].done()


async def test_the_error_of_a_cancelled_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It is not raised, because the others must be awaited too."""
    task = asyncio.ensure_future(fail_in_clean_up())
    await asyncio.sleep(0)
    await cancel_tasks(task)
    assert "the clean-up failed" in caplog.text


@pytest.fixture
def repeats_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost cancellation is repeated after a moment."""
    monkeypatch.setattr(tasks_module, "CONSUMER_CANCEL_AGAIN_AFTER_S", 0.01)


@pytest.mark.usefixtures("repeats_soon")
async def test_run_all_raises_the_error_though_another_task_loses_its_cancellation() -> None:
    """Nobody cancels `run_all` itself: it must end, so that the caller can begin again."""

    async def break_down() -> None:
        await asyncio.sleep(0)  # the other one has begun
        raise ZeroDivisionError

    async with asyncio.timeout(60):
        with pytest.raises(ZeroDivisionError):
            await run_all(lose_one_cancellation(), break_down())


@pytest.mark.usefixtures("repeats_soon")
@pytest.mark.parametrize("depth", [0, 2])
async def test_run_all_is_cancelled_though_a_task_loses_its_cancellation(depth: int) -> None:
    """In another `run_all`, too, which cancels it again and again; all have ended by then."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def lose() -> None:
        begun.set()
        try:
            await lose_one_cancellation()
        finally:
            ended.set()

    async def nest(levels: int) -> None:
        await run_all(nest(levels - 1) if levels else lose(), lose_one_cancellation())

    task = asyncio.create_task(nest(depth))
    await begun.wait()
    async with asyncio.timeout(60):
        await cancel_tasks(task, again_after_s=0.01)
    assert task.cancelled()
    assert ended.is_set()


async def test_a_cancelled_cancel_tasks_waits_all_the_same() -> None:
    """Its own cancellation is raised once the clean-up is done, and does not interrupt that."""
    begun, is_cleaning, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def clean_up() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            is_cleaning.set()
            await may_end.wait()

    work = asyncio.create_task(clean_up())
    await begun.wait()
    cancelling = asyncio.create_task(cancel_tasks(work))
    await is_cleaning.wait()
    for _ in range(5):
        cancelling.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not cancelling.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await cancelling
    assert work.done()


async def test_a_block_keeps_the_cancellation_that_it_lost() -> None:
    """It is raised at the end of the block, and not again at the end of the next one."""

    async def cancel_and_lose() -> str:
        task = asyncio.current_task()
        assert task is not None
        try:
            with keep_cancellation(), suppress(asyncio.CancelledError):
                task.cancel()
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            with keep_cancellation():
                await asyncio.sleep(0)
            return "kept"
        return "lost"

    assert await asyncio.create_task(cancel_and_lose()) == "kept"
