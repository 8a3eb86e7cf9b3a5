"""The lane: releases in their order, one submit at a time, while the next ones are made ready.

    accept ─▶ judge ─▶ claim ─▶ submit ─▶ answer
              a few    the      one at    row, outcome,
              ahead    next     a time    acknowledgement

Judging and looking numbers up go a few releases ahead, a claim only one: whoever finds claims after a
crash must look for as few as possible. Answers are written while the next release is submitted. Whatever
a record holds, nothing is raised for it: it is answered, or logged and passed over.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from streams.domain.errors import Error
from streams.domain.phone.events import Failed, Outcome, Result, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending import command
from streams.domain.sending.claim import Claim, Reconcile
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.sender.claim_store import ClaimStore
from streams.sender.metrics import Metrics
from streams.sender.pending_dispatch import PendingDispatch, SendRecord
from streams.sender.submitter import Submitter

log = logging.getLogger(__name__)

MAX_AHEAD: Final = 4
# Found by counting produce requests: 1.2 for each message instead of 2.3. Wrong, it only costs time.
COALESCE_ITERATIONS: Final = 4
# How long a submit under way may still take when the lane is given up; after that its claim stays open.
CLOSE_TIMEOUT_S: Final = 3.0

Publish = Callable[[Sequence[Outcome]], Awaitable[object]]
OnConcluded = Callable[[str, Claim], object]


class SendPipeline:
    """One assignment of the lane, from `open` to `close`; not to be opened again.

    `give_back` is called with each record that is left unanswered, so that nobody waits for it;
    `answered` with each row that remembers an answer.
    """

    def __init__(
        self,
        *,
        account: str,
        namespace: str,
        submitter: Submitter,
        claim_store: ClaimStore,
        publish: Publish,
        nack: Callable[[SendRecord], object],
        on_failure: Callable[[BaseException], object],
        on_concluded: OnConcluded,
        metrics: Metrics,
    ) -> None:
        self._account = account
        self._namespace = namespace
        self._submitter = submitter
        self._claim_store = claim_store
        self._publish = publish
        self._nack = nack
        self._on_failure = on_failure
        self._on_concluded = on_concluded
        self._metrics = metrics
        self._to_decide: asyncio.Queue[PendingDispatch] = asyncio.Queue()
        self._to_claim: asyncio.Queue[PendingDispatch] = asyncio.Queue()
        self._to_submit: asyncio.Queue[PendingDispatch] = asyncio.Queue()
        self._to_conclude: asyncio.Queue[tuple[PendingDispatch, Result]] = asyncio.Queue()
        self._claim_permit = asyncio.Semaphore(1)
        self._pending: set[PendingDispatch] = set()  # accepted and not answered
        self._unsubmitted_count = 0  # of them, accepted and not submitted
        self._change_event = asyncio.Event()
        self._submitting: PendingDispatch | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closing = False

    def __len__(self) -> int:
        """How many releases are on the way."""
        return len(self._pending)

    # -- life

    def open(self) -> None:
        """Begin to work."""
        for step in (self._decide_all, self._claim_all, self._submit_all, self._conclude_all):
            task = asyncio.create_task(step(), name=f"send-pipeline{step.__name__}")
            task.add_done_callback(self._on_task_done)
            self._tasks.append(task)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)

    async def close(self) -> None:
        """Nothing is begun any more; what was submitted is answered, if that can be done soon.

        A claim of which the page was given nothing is taken back, so that the lane's next owner need
        not look for it. What is left is given back.
        """
        self._is_closing = True
        self._notify_change()
        decide_task, claim_task, submit_task, conclude_task = self._tasks
        await _cancel(decide_task, claim_task)
        if self._submitting is not None and self._submitting.is_handed_over:
            await asyncio.wait([submit_task], timeout=CLOSE_TIMEOUT_S)
        await _cancel(submit_task)
        await _best_effort(self._to_conclude.join())
        await _cancel(conclude_task)
        await _best_effort(
            asyncio.gather(
                *(
                    self._submitter.withdraw_claim(pending_dispatch)
                    for pending_dispatch in self._pending
                )
            )
        )
        for dispatch in self._pending:
            self._nack(dispatch.record)
        self._pending.clear()
        self._metrics.in_progress.set(0)

    # -- accept

    async def accept(self, record: SendRecord) -> None:
        """Take a record of the lane, as soon as there is room for it."""
        while self._unsubmitted_count >= MAX_AHEAD and not self._is_closing:
            await self._change_event.wait()
        if self._is_closing:
            self._nack(record)
            return
        dispatch = self._decode_record(record)
        if dispatch is None:
            record.ack()
            return
        self._pending.add(dispatch)
        self._metrics.in_progress.set(len(self._pending))
        self._unsubmitted_count += 1
        self._to_decide.put_nowait(dispatch)

    def _decode_record(self, record: SendRecord) -> PendingDispatch | None:
        try:
            send_command = command.decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.error("a record of the lane is no command of ours: passed over")  # noqa: TRY400 - it may hold a number
            self._metrics.malformed_records.inc()
            return None
        message_id = derive_whatsapp_id(
            self._namespace, self._account, send_command.phone, send_command.id
        )
        return PendingDispatch(record=record, command=send_command, whatsapp_id=message_id)

    def _notify_change(self) -> None:
        """Something has changed for whoever waits."""
        self._change_event.set()
        self._change_event = asyncio.Event()

    # -- judge

    async def _decide_all(self) -> None:
        while True:
            dispatch = await self._to_decide.get()
            while self._is_blocked_by_earlier(dispatch):
                await self._change_event.wait()
            result = await self._run_guarded(dispatch, self._submitter.decide(dispatch))
            if result is not None:
                self._finish(dispatch, result)
            else:
                self._to_claim.put_nowait(dispatch)

    def _is_blocked_by_earlier(self, dispatch: PendingDispatch) -> bool:
        """An earlier release of the same message has not been answered: its row is not what it will be."""
        for other in self._pending:
            if (
                other is not dispatch
                and other.whatsapp_id == dispatch.whatsapp_id
                and other.is_decision_started
            ):
                return True
        dispatch.is_decision_started = True
        return False

    # -- claim

    async def _claim_all(self) -> None:
        while True:
            dispatch = await self._to_claim.get()
            await self._claim_permit.acquire()
            await self._submitter.claim(dispatch)
            self._to_submit.put_nowait(dispatch)

    # -- submit

    async def _submit_all(self) -> None:
        while not self._is_closing:
            dispatch = self._submitting = await self._to_submit.get()
            self._claim_permit.release()
            if isinstance(dispatch.decision, Reconcile):
                self._metrics.reconciliations.inc()
            with self._metrics.submit_s.time():
                result = await self._run_guarded(dispatch, self._submitter.send(dispatch))
            self._submitting = None
            assert result is not None
            self._finish(dispatch, result)

    async def _run_guarded(
        self, dispatch: PendingDispatch, work: Awaitable[Result | None]
    ) -> Result | None:
        """A bug costs one message, and never a second one."""
        try:
            return await work
        except Exception as error:
            log.exception("release %d failed in here", dispatch.command.dispatch_number)
            detail = type(error).__name__
            if dispatch.is_handed_over or isinstance(dispatch.decision, Reconcile):
                return claims.in_doubt_result(detail)
            return Failed(error=Error("internal_error", detail))

    # -- answer

    def _finish(self, dispatch: PendingDispatch, result: Result) -> None:
        dispatch.is_finished = True
        self._unsubmitted_count -= 1
        self._to_conclude.put_nowait((dispatch, result))
        self._notify_change()

    async def _conclude_all(self) -> None:
        while True:
            batch = [await self._to_conclude.get()]
            while not self._to_conclude.empty():
                batch.append(self._to_conclude.get_nowait())
            await self._conclude_batch(batch)
            for _ in batch:
                self._to_conclude.task_done()

    async def _conclude_batch(self, batch: list[tuple[PendingDispatch, Result]]) -> None:
        """The rows first: what was said must be known after a crash, so that it is never unsaid.

        But `sent` is said while its row is written: whoever finds its claim open looks, and says the same.
        """
        sent = [each for each in batch if isinstance(each[1], Sent)]
        await asyncio.gather(*(self._store_result(*each) for each in batch if each not in sent))
        await asyncio.gather(
            *(self._store_result(*each) for each in sent), self._publish_outcomes(batch)
        )
        for dispatch, result in batch:
            dispatch.record.ack()
            self._pending.discard(dispatch)
            self._metrics.record_result(result)
        self._metrics.in_progress.set(len(self._pending))
        self._notify_change()

    async def _publish_outcomes(self, batch: list[tuple[PendingDispatch, Result]]) -> None:
        # In the turn of the loop in which the rows reach the producer too: one request, not two.
        for _ in range(COALESCE_ITERATIONS):
            await asyncio.sleep(0)
        await self._publish([self._make_outcome(dispatch, result) for dispatch, result in batch])

    async def _store_result(self, dispatch: PendingDispatch, result: Result) -> None:
        previous_claim = self._claim_store.get(dispatch.whatsapp_id)
        claim = claims.concluded_claim(dispatch.command, previous_claim, result, time.time())
        if claim is not None:
            self._on_concluded(dispatch.whatsapp_id, claim)
            await self._claim_store.put(dispatch.whatsapp_id, claim)

    def _make_outcome(self, dispatch: PendingDispatch, result: Result) -> Outcome:
        return Outcome(
            phone=dispatch.command.phone,
            id=dispatch.command.id,
            dispatch_number=dispatch.command.dispatch_number,
            account=self._account,
            whatsapp_id=dispatch.whatsapp_id,
            result=result,
            chat_id=dispatch.resolved_chat_id,
        )


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _best_effort(work: Awaitable[object]) -> None:
    """Do it if the broker lets us: whoever owns the lane next can do without it."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await work
    except TimeoutError:
        log.warning(
            "the lane is given up before everything was written: it is settled by its next owner"
        )
