"""The send pipeline: dispatches in their order, one submit at a time, while the next ones are prepared.

    accept ─▶ decide ─▶ fetch  ─▶ claim ─▶ submit ─▶ wait for a late ack, or reconcile ─▶ conclude
              a few     files,    the      one at    up to `MAX_UNANSWERED` messages      row, outcome,
              ahead     beside    next     a time    beside each other                    acknowledgement
                        each other

Rows are read and numbers looked up a few dispatches ahead, but only one claim is stored ahead: every
claim that a crash leaves open must be reconciled. A message whose ack is late holds up no other one, and neither does
one whose file is being fetched: a recipient has one message in flight, so the order of each recipient's messages is
kept. Results are written while the next dispatch is submitted. No record makes the pipeline raise: it is concluded, or
logged and skipped.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from streams.domain.phone.events import Result
from streams.domain.sending import command
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.sender.attempts.runner import AttemptRunner
from streams.sender.attempts.running import RunningAttempt
from streams.sender.conclusion import Conclusion, PendingDispatch, ResultWriter, SendRecord
from streams.sender.metrics import Metrics
from streams.system.tasks import cancel_tasks

log = logging.getLogger(__name__)

MAX_AHEAD: Final = 4
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
        self._claim_permit = asyncio.Semaphore(1)
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
        is_marker = record.value is None  # of a dispatcher (streams/dispatch/flights/barrier.py)
        dispatch = None if is_marker else self._decode_record(record, appended_at_s, offset)
        if dispatch is None:
            record.ack()
            return
        self._pending.add(dispatch)
        self._metrics.in_progress.set(len(self._pending))
        self._ahead.add(dispatch)
        self._to_decide.put_nowait(dispatch)

    def _decode_record(
        self, record: SendRecord, appended_at_s: float, offset: int
    ) -> PendingDispatch | None:
        try:
            send_command = command.decode(record.value or b"", appended_at_s, offset)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Without the exception, whose text may hold a phone number.
            log.error("a record of the send topic is not a command: skipped")  # noqa: TRY400
            self._metrics.malformed_records.inc()
            return None
        whatsapp_id = derive_whatsapp_id(
            self._namespace, self._account, send_command.phone, send_command.id
        )
        return PendingDispatch(record, send_command, whatsapp_id)

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
            dispatch, running = await self._to_claim.get()
            await self._claim_permit.acquire()
            await self._runner.claim_ahead(running)
            self._to_submit.put_nowait((dispatch, running))

    # -- submit

    async def _submit_all(self) -> None:
        while True:
            dispatch, running = await self._to_submit.get()
            await self._attempt_permits.acquire()
            task = asyncio.create_task(self._run_attempt(dispatch, running), name="attempt")
            self._attempts[task] = dispatch
            self._metrics.awaiting_ack.set(len(self._attempts))
            task.add_done_callback(self._on_attempt_done)
            self._claim_permit.release()
            await running.turn_ended.wait()
            self._leave_queue(dispatch)

    async def _run_attempt(self, dispatch: PendingDispatch, running: RunningAttempt) -> None:
        if running.attempt.is_reconciling:
            self._metrics.reconciliations.inc()
        with self._metrics.submit_s.time():
            result = await self._runner.run(running)
        if running.attempt.is_proved_by_lookup:
            self._metrics.doubts_resolved.labels("lookup").inc()
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
            batch = [await self._to_conclude.get()]
            while not self._to_conclude.empty():
                batch.append(self._to_conclude.get_nowait())
            await self._results.write(batch)
            for dispatch, result in batch:
                self._pending.discard(dispatch)
                self._metrics.record_result(result)
                self._to_conclude.task_done()
            self._metrics.in_progress.set(len(self._pending))
            self._notify_change()


async def _best_effort(work: Awaitable[object]) -> None:
    """Do it if the broker answers in time; the next owner of the send topic can do without it."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await work
    except TimeoutError:
        log.warning(
            "the send topic is given up before everything was written: its next owner reconciles it"
        )
