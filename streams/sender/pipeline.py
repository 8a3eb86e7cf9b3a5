"""The send pipeline: dispatches in their order, one submit at a time, while the next ones are prepared.

    accept ─▶ decide ─▶ fetch  ─▶ claim ─▶ submit ─▶ wait for a late ack, or reconcile ─▶ conclude
              a few     files,    the      one at    up to `MAX_UNANSWERED` messages      row, outcome,
              ahead     beside    next     a time    beside each other                    acknowledgement
                        each other

Rows are read and numbers looked up a few dispatches ahead. Claims are stored ahead for what is submitted next, several
in one batch, and results are written behind it in the same way: turn_times.py says how many, because every claim that a
crash leaves open must be reconciled. A message whose ack is late holds up no other one, and neither does one whose file
is being fetched: a recipient has one message in flight, so the order of each recipient's messages is kept. The page may
have the next messages ahead, and submits one at a time all the same (attempts/turn_line.py). No record makes the
pipeline raise: it is concluded, or logged and skipped.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from streams.domain.phone.events import Result
from streams.domain.sending.turn_times import JOIN_RESULTS_S, MAX_CLAIMS_AHEAD
from streams.sender.attempts.runner import AttemptRunner
from streams.sender.attempts.running import RunningAttempt
from streams.sender.conclusion import (
    Conclusion,
    PendingDispatch,
    ResultWriter,
    SendRecord,
    decode_dispatch,
)
from streams.sender.metrics import Metrics
from streams.system.tasks import cancel_tasks

log = logging.getLogger(__name__)

# The claims of the next batch are stored while those of the last one are submitted.
MAX_AHEAD: Final = MAX_CLAIMS_AHEAD + 4
# If as many acks are late at a time, the connection is dead: nothing more is given to the page.
MAX_UNANSWERED: Final = 8
# How long a submit under way may still take when the send topic is given up; after that its claim stays open.
CLOSE_TIMEOUT_S: Final = 3.0


class SendPipeline:
    """One ownership of the send topic, from `open` to `close`; it cannot be opened again.

    `nack` is called with each record that is left without an outcome, so that Kafka delivers it again.
    """

    def __init__(
        self,
        *,
        account: str,
        namespace: str,
        runner: AttemptRunner,
        results: ResultWriter,
        nack: Callable[[SendRecord], object],
        on_failure: Callable[[BaseException], object],
        metrics: Metrics,
    ) -> None:
        self._account = account
        self._namespace = namespace
        self._runner = runner
        self._results = results
        self._nack = nack
        self._on_failure = on_failure
        self._metrics = metrics
        self._to_decide: asyncio.Queue[PendingDispatch] = asyncio.Queue()
        self._to_claim: asyncio.Queue[tuple[PendingDispatch, RunningAttempt]] = asyncio.Queue()
        self._to_submit: asyncio.Queue[tuple[PendingDispatch, RunningAttempt]] = asyncio.Queue()
        self._to_conclude: asyncio.Queue[Conclusion] = asyncio.Queue()
        self._turn_times = runner.turn_times
        self._unsubmitted_claims = 0
        self._pending: set[PendingDispatch] = set()  # accepted and not concluded
        self._ahead: set[PendingDispatch] = set()  # the pending ones whose turn has not ended
        self._change_event = asyncio.Event()
        self._attempt_permits = asyncio.Semaphore(MAX_UNANSWERED)
        self._attempts: dict[asyncio.Task[None], PendingDispatch] = {}
        self._fetches: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closing = False

    def __len__(self) -> int:
        """How many dispatches are pending."""
        return len(self._pending)

    # -- life

    def open(self) -> None:
        """Begin to work."""
        for stage in (self._decide_all, self._claim_all, self._submit_all, self._conclude_all):
            task = asyncio.create_task(stage(), name=f"send-pipeline{stage.__name__}")
            task.add_done_callback(self._on_task_done)
            self._tasks.append(task)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)

    async def close(self) -> None:
        """Begin nothing more, and conclude what was submitted, if that can be done soon.

        A claim whose message the page never had is withdrawn, so that the next owner of the send topic
        need not look for it. The records of what is left are nacked.
        """
        self._is_closing = True
        self._notify_change()
        decide_task, claim_task, submit_task, conclude_task = self._tasks
        await cancel_tasks(decide_task, claim_task, submit_task, *self._fetches)
        await cancel_tasks(
            *(task for task, each in self._attempts.items() if not each.is_submitted)
        )
        if self._attempts:
            await asyncio.wait([*self._attempts], timeout=CLOSE_TIMEOUT_S)
        await cancel_tasks(*self._attempts)
        await _best_effort(self._to_conclude.join())
        await cancel_tasks(conclude_task)
        attempts = [pending.running for pending in self._pending if pending.running is not None]
        await _best_effort(
            asyncio.gather(*(self._runner.withdraw(attempt) for attempt in attempts))
        )
        for dispatch in self._pending:
            if dispatch.running is not None:
                dispatch.running.release()
            self._nack(dispatch.record)
        self._pending.clear()
        self._metrics.in_progress.set(0)

    # -- accept

    async def accept(self, record: SendRecord, appended_at_s: float, offset: int) -> None:
        """Take a record of the send topic, which the broker appended at this time, as soon as there is room."""
        while len(self._ahead) >= MAX_AHEAD and not self._is_closing:
            await self._change_event.wait()
        if self._is_closing:
            self._nack(record)
            return
        dispatch = decode_dispatch(
            record, appended_at_s, offset, namespace=self._namespace, account=self._account
        )
        if dispatch is None:
            self._metrics.malformed_records.inc()
            record.ack()
            return
        self._pending.add(dispatch)
        self._metrics.in_progress.set(len(self._pending))
        self._ahead.add(dispatch)
        self._to_decide.put_nowait(dispatch)

    def _notify_change(self) -> None:
        """Wake every task that waits for a change."""
        self._change_event.set()
        self._change_event = asyncio.Event()

    # -- decide

    async def _decide_all(self) -> None:
        while True:
            dispatch = await self._to_decide.get()
            while self._is_blocked_by_earlier(dispatch):
                await self._change_event.wait()
            running = self._runner.begin(dispatch.command, dispatch.whatsapp_id)
            dispatch.running = running
            self._metrics.record_lookup(running.attempt)
            await self._runner.look_up(running)
            if running.is_fetching:
                self._fetch(dispatch, running)
            else:
                self._pass_on(dispatch, running)

    def _pass_on(self, dispatch: PendingDispatch, running: RunningAttempt) -> None:
        if running.attempt.result is not None:
            self._finish(dispatch, running.attempt.result)
        else:
            self._to_claim.put_nowait((dispatch, running))

    # -- fetch

    def _fetch(self, dispatch: PendingDispatch, running: RunningAttempt) -> None:
        """The file may take its time: the next record is accepted in the place of this one."""
        self._leave_queue(dispatch)
        task = asyncio.create_task(self._fetch_media(dispatch, running), name="fetch")
        self._fetches.add(task)
        task.add_done_callback(self._on_fetched)

    async def _fetch_media(self, dispatch: PendingDispatch, running: RunningAttempt) -> None:
        await self._runner.fetch_media(running)
        self._pass_on(dispatch, running)

    def _on_fetched(self, task: asyncio.Task[None]) -> None:
        self._fetches.discard(task)
        self._on_task_done(task)

    def _is_blocked_by_earlier(self, dispatch: PendingDispatch) -> bool:
        """An earlier dispatch of the same message is not concluded: its row is about to change."""
        return any(
            other.whatsapp_id == dispatch.whatsapp_id and other.running is not None
            for other in self._pending
            if other is not dispatch
        )

    # -- claim

    async def _claim_all(self) -> None:
        while True:
            batch = [await self._to_claim.get()]
            while not (room := self._turn_times.room_for_claims(self._unsubmitted_claims)):
                await self._change_event.wait()
            while len(batch) < room and not self._to_claim.empty():
                batch.append(self._to_claim.get_nowait())
            self._unsubmitted_claims += len(batch)
            await asyncio.gather(*(self._runner.claim_ahead(running) for _, running in batch))
            for item in batch:
                self._to_submit.put_nowait(item)

    # -- submit

    async def _submit_all(self) -> None:
        while True:
            dispatch, running = await self._to_submit.get()
            await self._attempt_permits.acquire()
            running.on_turn_end = partial(self._leave_queue, dispatch)
            task = asyncio.create_task(self._run_attempt(dispatch, running), name="attempt")
            self._attempts[task] = dispatch
            self._metrics.awaiting_ack.set(len(self._attempts))
            task.add_done_callback(self._on_attempt_done)
            self._unsubmitted_claims -= 1
            self._notify_change()
            await running.turn.next_may_join.wait()

    async def _run_attempt(self, dispatch: PendingDispatch, running: RunningAttempt) -> None:
        if running.attempt.is_reconciling:
            self._metrics.reconciliations.inc()
        with self._metrics.submit_s.time():
            result = await self._runner.run(running)
        if running.attempt.is_proved_by_lookup:
            self._metrics.doubts_resolved.inc("lookup")
        self._finish(dispatch, result)

    def _on_attempt_done(self, task: asyncio.Task[None]) -> None:
        del self._attempts[task]
        self._metrics.awaiting_ack.set(len(self._attempts))
        self._attempt_permits.release()
        self._on_task_done(task)

    def _leave_queue(self, dispatch: PendingDispatch) -> None:
        """The next record may be accepted in its place."""
        self._ahead.discard(dispatch)
        self._notify_change()

    # -- conclude

    def _finish(self, dispatch: PendingDispatch, result: Result) -> None:
        if dispatch.running is not None:
            dispatch.running.release()
        self._to_conclude.put_nowait((dispatch, result))
        self._leave_queue(dispatch)

    async def _conclude_all(self) -> None:
        while True:
            batch = await self._collect_conclusions()
            await self._results.write(batch)
            for dispatch, result in batch:
                self._pending.discard(dispatch)
                self._metrics.record_result(result)
                self._to_conclude.task_done()
            self._metrics.in_progress.set(len(self._pending))
            self._notify_change()

    async def _collect_conclusions(self) -> list[Conclusion]:
        """The results that are there, and those of the next few turns if these end at once."""
        batch = [await self._to_conclude.get()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(JOIN_RESULTS_S):
                while len(batch) < self._turn_times.joined_results and self._is_submitting():
                    batch.append(await self._to_conclude.get())
        while not self._to_conclude.empty():
            batch.append(self._to_conclude.get_nowait())
        return batch

    def _is_submitting(self) -> bool:
        """Whether the result of another turn will come soon."""
        is_claimed = not self._to_submit.empty() or not self._to_conclude.empty()
        return not self._is_closing and (is_claimed or bool(self._attempts))


async def _best_effort(work: Awaitable[object]) -> None:
    """Do it if the broker answers in time; the next owner of the send topic can do without it."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await work
    except TimeoutError:
        log.warning(
            "the send topic is given up before everything was written: its next owner reconciles it"
        )
