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
from streams.sender.claims import Claims
from streams.sender.job import Job, Record
from streams.sender.metrics import Metrics
from streams.sender.submit import Sending

log = logging.getLogger(__name__)

AHEAD: Final = 4
# Found by counting produce requests: 1.2 for each message instead of 2.3. Wrong, it only costs time.
TOGETHER_TURNS: Final = 4
# How long a submit under way may still take when the lane is given up; after that its claim stays open.
FINISH_WITHIN_S: Final = 3.0

Publish = Callable[[Sequence[Outcome]], Awaitable[object]]
Answered = Callable[[str, Claim], object]


class Lane:
    """One assignment of the lane, from `open` to `close`; not to be opened again.

    `give_back` is called with each record that is left unanswered, so that nobody waits for it;
    `answered` with each row that remembers an answer.
    """

    def __init__(
        self,
        *,
        account: str,
        namespace: str,
        sending: Sending,
        rows: Claims,
        publish: Publish,
        give_back: Callable[[Record], object],
        failed: Callable[[BaseException], object],
        answered: Answered,
        metrics: Metrics,
    ) -> None:
        self._account = account
        self._namespace = namespace
        self._sending = sending
        self._rows = rows
        self._publish = publish
        self._give_back = give_back
        self._failed = failed
        self._answered = answered
        self._metrics = metrics
        self._judged: asyncio.Queue[Job] = asyncio.Queue()
        self._to_claim: asyncio.Queue[Job] = asyncio.Queue()
        self._claimed: asyncio.Queue[Job] = asyncio.Queue()
        self._done: asyncio.Queue[tuple[Job, Result]] = asyncio.Queue()
        self._may_claim = asyncio.Semaphore(1)
        self._jobs: set[Job] = set()  # accepted and not answered
        self._ahead = 0  # of them, accepted and not submitted
        self._moved = asyncio.Event()
        self._in_work: Job | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    def __len__(self) -> int:
        """How many releases are on the way."""
        return len(self._jobs)

    # -- life

    def open(self) -> None:
        """Begin to work."""
        for step in (self._judge_all, self._claim_all, self._submit_all, self._answer_all):
            task = asyncio.create_task(step(), name=f"lane{step.__name__}")
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    async def close(self) -> None:
        """Nothing is begun any more; what was submitted is answered, if that can be done soon.

        A claim of which the page was given nothing is taken back, so that the lane's next owner need
        not look for it. What is left is given back.
        """
        self._closing = True
        self._move()
        judge, claim, submit, answer = self._tasks
        await _end(judge, claim)
        if self._in_work is not None and self._in_work.in_page:
            await asyncio.wait([submit], timeout=FINISH_WITHIN_S)
        await _end(submit)
        await _soon(self._done.join())
        await _end(answer)
        await _soon(asyncio.gather(*(self._sending.withdraw(job) for job in self._jobs)))
        for job in self._jobs:
            self._give_back(job.record)
        self._jobs.clear()
        self._metrics.on_the_way.set(0)

    # -- accept

    async def accept(self, record: Record) -> None:
        """Take a record of the lane, as soon as there is room for it."""
        while self._ahead >= AHEAD and not self._closing:
            await self._moved.wait()
        if self._closing:
            self._give_back(record)
            return
        job = self._job(record)
        if job is None:
            record.ack()
            return
        self._jobs.add(job)
        self._metrics.on_the_way.set(len(self._jobs))
        self._ahead += 1
        self._judged.put_nowait(job)

    def _job(self, record: Record) -> Job | None:
        try:
            send = command.decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.error("a record of the lane is no command of ours: passed over")  # noqa: TRY400 - it may hold a number
            self._metrics.poison.inc()
            return None
        name = derive_whatsapp_id(self._namespace, self._account, send.phone, send.id)
        return Job(record=record, send=send, whatsapp_id=name)

    def _move(self) -> None:
        """Something has changed for whoever waits."""
        self._moved.set()
        self._moved = asyncio.Event()

    # -- judge

    async def _judge_all(self) -> None:
        while True:
            job = await self._judged.get()
            while self._is_under_way(job):
                await self._moved.wait()
            result = await self._guarded(job, self._sending.judge(job))
            if result is not None:
                self._finish(job, result)
            else:
                self._to_claim.put_nowait(job)

    def _is_under_way(self, job: Job) -> bool:
        """An earlier release of the same message has not been answered: its row is not what it will be."""
        for other in self._jobs:
            if other is not job and other.whatsapp_id == job.whatsapp_id and other.judged:
                return True
        job.judged = True
        return False

    # -- claim

    async def _claim_all(self) -> None:
        while True:
            job = await self._to_claim.get()
            await self._may_claim.acquire()
            await self._sending.claim(job)
            self._claimed.put_nowait(job)

    # -- submit

    async def _submit_all(self) -> None:
        while not self._closing:
            job = self._in_work = await self._claimed.get()
            self._may_claim.release()
            if isinstance(job.step, Reconcile):
                self._metrics.looks.inc()
            with self._metrics.submit_s.time():
                result = await self._guarded(job, self._sending.send(job))
            self._in_work = None
            assert result is not None
            self._finish(job, result)

    async def _guarded(self, job: Job, work: Awaitable[Result | None]) -> Result | None:
        """A bug costs one message, and never a second one."""
        try:
            return await work
        except Exception as error:
            log.exception("release %d failed in here", job.send.dispatch_number)
            detail = type(error).__name__
            if job.in_page or isinstance(job.step, Reconcile):
                return claims.in_doubt_result(detail)
            return Failed(error=Error("internal_error", detail))

    # -- answer

    def _finish(self, job: Job, result: Result) -> None:
        job.finished = True
        self._ahead -= 1
        self._done.put_nowait((job, result))
        self._move()

    async def _answer_all(self) -> None:
        while True:
            batch = [await self._done.get()]
            while not self._done.empty():
                batch.append(self._done.get_nowait())
            await self._answer(batch)
            for _ in batch:
                self._done.task_done()

    async def _answer(self, batch: list[tuple[Job, Result]]) -> None:
        """The rows first: what was said must be known after a crash, so that it is never unsaid.

        But `sent` is said while its row is written: whoever finds its claim open looks, and says the same.
        """
        sent = [each for each in batch if isinstance(each[1], Sent)]
        await asyncio.gather(*(self._remember(*each) for each in batch if each not in sent))
        await asyncio.gather(*(self._remember(*each) for each in sent), self._tell(batch))
        for job, result in batch:
            job.record.ack()
            self._jobs.discard(job)
            self._metrics.answered(result)
        self._metrics.on_the_way.set(len(self._jobs))
        self._move()

    async def _tell(self, batch: list[tuple[Job, Result]]) -> None:
        # In the turn of the loop in which the rows reach the producer too: one request, not two.
        for _ in range(TOGETHER_TURNS):
            await asyncio.sleep(0)
        await self._publish([self._outcome(job, result) for job, result in batch])

    async def _remember(self, job: Job, result: Result) -> None:
        before = self._rows.get(job.whatsapp_id)
        row = claims.concluded_claim(job.send, before, result, time.time())
        if row is not None:
            self._answered(job.whatsapp_id, row)
            await self._rows.put(job.whatsapp_id, row)

    def _outcome(self, job: Job, result: Result) -> Outcome:
        return Outcome(
            phone=job.send.phone,
            id=job.send.id,
            dispatch_number=job.send.dispatch_number,
            account=self._account,
            whatsapp_id=job.whatsapp_id,
            result=result,
            chat_id=job.looked_up,
        )


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _soon(work: Awaitable[object]) -> None:
    """Do it if the broker lets us: whoever owns the lane next can do without it."""
    try:
        async with asyncio.timeout(FINISH_WITHIN_S):
            await work
    except TimeoutError:
        log.warning(
            "the lane is given up before everything was written: it is settled by its next owner"
        )
