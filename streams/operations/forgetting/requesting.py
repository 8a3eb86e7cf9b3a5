"""Request that a recipient is forgotten, and follow how far it is. The dispatcher and the senders do it.

An account that is away does its part when it comes back, so the answer may say that something is pending. Nothing is
withdrawn then, and the same command later says how far it is by then.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from streams.client import WhatsApp
from streams.domain.forgetting import ForgetAnswer, ForgetReport, decode
from streams.kafka.reader import Record, open_reader
from streams.kafka.topics import names
from streams.operations.errors import no_answer
from streams.operations.queue import parse_recipient
from streams.settings import Settings


@dataclass(slots=True)
class ForgetProgress:
    """What has been reported so far of one request: by key, of each number of the chat and of each account."""

    request_id: str
    reports: dict[bytes, ForgetReport] = field(default_factory=dict[bytes, ForgetReport])
    answers: dict[bytes, ForgetAnswer] = field(default_factory=dict[bytes, ForgetAnswer])

    def add(self, key: bytes, value: bytes | None) -> None:
        """Take a record of the topic, if it is of this request."""
        record = decode(key, value or b"")
        if record is None or record.request_id != self.request_id:
            return
        if isinstance(record, ForgetReport):
            self.reports[key] = record
        elif isinstance(record, ForgetAnswer):
            self.answers[key] = record

    @property
    def is_removed(self) -> bool:
        """Whether the dispatcher has removed everything, of each number of the chat."""
        reports = self.reports.values()
        expected = 1 + max((report.other_numbers for report in reports), default=0)
        return len(reports) >= expected and all(report.state != "in_progress" for report in reports)

    @property
    def pending_accounts(self) -> list[str]:
        """The accounts that have not answered for each number."""
        expected = [name for report in self.reports.values() for name in report.accounts]
        for answer in self.answers.values():
            if answer.account in expected:
                expected.remove(answer.account)
        return sorted(set(expected))

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.is_removed and not self.pending_accounts


async def forget(
    settings: Settings, phone: str, *, keep_opt_out: bool, timeout_s: float
) -> ForgetProgress:
    """Forget the recipient; return when that is complete, or what is reported after `timeout_s`.

    Raises:
        UsageError: this is not a recipient.
        CommandFailed: no dispatcher answered in time. The request is not withdrawn.
    """
    parse_recipient(settings, phone)
    progress: ForgetProgress | None = None
    try:
        async with (
            asyncio.timeout(timeout_s),
            open_reader(settings, names(settings).forget) as reader,
            WhatsApp(settings=settings) as whatsapp,
        ):
            await reader.seek_to_end()
            request_id = await whatsapp.forget(phone, keep_opt_out=keep_opt_out)
            progress = ForgetProgress(request_id)
            await _follow(reader.follow(), progress)
    except TimeoutError:
        if progress is None or not progress.reports:
            raise no_answer(timeout_s) from None
    assert progress is not None, "it was requested"
    return progress


async def _follow(records: AsyncIterator[Record], progress: ForgetProgress) -> None:
    async for record in records:
        progress.add(record.key or b"", record.value)
        if progress.is_complete:
            return
