"""What an event costs the phone stage, by how much there is: microseconds of CPU without Faust and Kafka.

    python -m benchmarks.event_cost [--requests N] [--rounds R] [--cases TEXT]

An event is read from bytes, decided, encoded and written to RocksDB, and the timer service looks for what is due, as
after every event. Each case grows one thing and is measured in turns with the smallest case, so the ratios hold on a
busy machine too.
"""

import argparse
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from rocksdict import BlockBasedOptions, Options, Rdict

from benchmarks.browser_common import machine
from streams.contract import account
from streams.contract.account import AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.accounts import Accounts
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.timer_service import TimerService
from streams.domain.phone import events
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import (
    Event,
    Outcome,
    RequestInfo,
    RequestReceived,
    Sent,
    SourceRecord,
)
from streams.domain.phone.state import Phone
from streams.domain.phone.step import step
from streams.domain.policy import Policy

NOW_S: Final = 1_000_000.0
TOMORROW_S: Final = NOW_S + 86_400.0
POLICY: Final = Policy(max_queue=1_000_000)
SMALLEST: Final = "smallest"


class LocalTable:
    """The rows of one partition in RocksDB, without a changelog."""

    def __init__(self, folder: Path) -> None:
        blocks = BlockBasedOptions()
        blocks.set_bloom_filter(10, block_based=False)
        rocksdb = Options(raw_mode=True)
        rocksdb.set_block_based_table_factory(blocks)
        self._database = Rdict(str(folder), rocksdb)

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value of the key, or None."""
        return self._database.get(key)

    def write(self, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Write the changes."""
        for key, value in changes:
            if value is None:
                self._database.delete(key)
            else:
                self._database.put(key, value)


class Stage:
    """What the dispatcher does with an event, up to its effects."""

    def __init__(self, folder: Path, accounts: int = 1, max_in_flight: int = 1_000_000) -> None:
        self.accounts = Accounts(lambda: None, ("closed",), monotonic_s=lambda: 0.0)
        for number in range(accounts):
            name = f"account-{number}"
            record = AccountRecord(account=name, state="ready", since=format_rfc3339(0))
            self.accounts.apply_record(name.encode(), account.encode(record))
        self.timer_service = TimerService(
            self.accounts, cast("Any", None), "phone", max_in_flight, lambda: NOW_S
        )
        self._table = LocalTable(folder)
        self._store = PhoneStore(cast("Any", self._table), 0)
        self._offsets = count()
        self._phones = count()
        self._in_flight: deque[Phone] = deque()
        self.account_count = accounts
        self._changes = count()
        self.applied_count = 0

    def change_account(self) -> None:
        """An account that is at its cap names another time; the first account never is, and the others are in turns."""
        number = next(self._changes)
        name = f"account-{1 + number % (self.account_count - 1)}"
        record = AccountRecord(
            account=name,
            state="ready",
            since=format_rfc3339(0),
            free_at=format_rfc3339(TOMORROW_S + number),
        )
        self.accounts.apply_record(name.encode(), account.encode(record))

    def apply(self, data: bytes) -> None:
        """Apply one record of the phone log, and those that the timer service writes then."""
        pending = deque([data])
        while pending:
            self._apply_one(events.decode(pending.popleft()))
            due = self.timer_service.collect_due_records()
            pending.extend(record.value for record in due if record.value is not None)

    def _apply_one(self, event: Event) -> None:
        self.applied_count += 1
        scheduler = self.timer_service.get_scheduler(0)
        availabilities = self.accounts.get_availabilities(NOW_S)
        row = step(
            self._store.get_phone(event.phone),
            event,
            offset=next(self._offsets),
            now_s=NOW_S,
            append_s=NOW_S,
            accounts=scheduler.get_capacities(event.phone, availabilities),
            rows=self._store,
            policy=POLICY,
        )
        assert isinstance(row, Phone)
        self._table.write(self._store.make_changes(row, event))
        self.timer_service.update_phone(0, row.phone, row)
        if any(isinstance(effect, Dispatch) for effect in row.journal.effects):
            self._in_flight.append(row)

    def conclude_next(self) -> None:
        """The dispatch that was made first is sent."""
        if self._in_flight:
            self.apply(make_outcome(self._in_flight.popleft()))

    def new_phone(self) -> str:
        """A phone that had no message."""
        return f"+90{5_320_000_000 + next(self._phones)}"

    def send(self, phone: str, request_id: str, **fields: Any) -> None:
        """A request for this phone arrives."""
        self.apply(make_request(phone, request_id, **fields))


def make_request(phone: str, request_id: str, **fields: Any) -> bytes:
    """The record of a request."""
    record = SourceRecord(topic="wa.outbound", partition=0, offset=0, value=b'{"text": "hello"}')
    event: Event = RequestReceived(
        phone=phone,
        request=RequestInfo(id=request_id, **fields),
        source_record=record,
        content=b'{"type": "text", "text": "hello"}',
    )
    return events.encode(event)


def make_outcome(row: Phone) -> bytes:
    """The record of the outcome of what is in flight."""
    assert row.in_flight is not None
    event: Event = Outcome(
        phone=row.phone,
        id=row.in_flight.id,
        dispatch_number=row.in_flight.dispatch_number,
        account=row.in_flight.account,
        whatsapp_id=f"3EB0{row.in_flight.id}",
        result=Sent(at_s=NOW_S),
    )
    return events.encode(event)


@dataclass(frozen=True)
class Case:
    """One thing that is there in a large number: before the measurement, and for each phone of it."""

    prepare: Callable[[Stage], None] = lambda _: None
    waiting: int = 1  # messages that wait for each phone
    accounts: int = 1
    max_in_flight: int = 1_000_000
    is_changing: bool = False  # an account changes before each request


def prepare_scheduled(stage: Stage) -> None:
    """100,000 scheduled messages of other phones."""
    for _ in range(100_000):
        stage.send(stage.new_phone(), "s", send_at_s=TOMORROW_S)


def prepare_waiting(stage: Stage) -> None:
    """10,000 phones that wait for the places of the accounts; more than one event's worth of them are in flight."""
    for _ in range(10_000):
        stage.send(stage.new_phone(), "w")


def prepare_closed(stage: Stage) -> None:
    """10,000 phones that wait for an account that is down."""
    for _ in range(10_000):
        stage.send(stage.new_phone(), "w", account="closed")


def prepare_capped(stage: Stage) -> None:
    """All accounts but one are at their cap."""
    for _ in range(stage.account_count - 1):
        stage.change_account()


CASES: Final = {
    SMALLEST: Case(),
    "waiting for the phone: 1,000": Case(waiting=1000),
    "scheduled: 100,000": Case(prepare_scheduled),
    "phones waiting for an account that is down: 10,000": Case(prepare_closed),
    "accounts: 100": Case(accounts=100),
    "accounts: 1,000": Case(accounts=1000),
    "accounts: 2, and one changes before each request": Case(
        prepare_capped, accounts=2, is_changing=True
    ),
    "accounts: 1,000, and one changes before each request": Case(
        prepare_capped, accounts=1000, is_changing=True
    ),
    "phones waiting for 16 places of one account: 10,000": Case(prepare_waiting, max_in_flight=16),
    "phones waiting for 16 places of each of 100 accounts: 10,000": Case(
        prepare_waiting, accounts=100, max_in_flight=16
    ),
}


class Measurement:
    """One case, prepared."""

    def __init__(self, case: Case, folder: Path) -> None:
        self._case = case
        self._stage = Stage(folder, case.accounts, case.max_in_flight)
        case.prepare(self._stage)

    def measure_us(self, requests_count: int) -> float:
        """CPU time of an event: requests, outcomes, and the turns that follow."""
        phones = [self._prepare_phone() for _ in range(requests_count)]
        requests = [make_request(phone, "m") for phone in phones]
        stage, applied_count = self._stage, self._stage.applied_count
        cpu_s = time.process_time()
        for request in requests:
            if self._case.is_changing:
                stage.change_account()
            stage.apply(request)
            stage.conclude_next()
        cpu_s = time.process_time() - cpu_s
        return cpu_s / (stage.applied_count - applied_count) * 1e6

    def _prepare_phone(self) -> str:
        phone = self._stage.new_phone()
        for number in range(self._case.waiting):
            self._stage.send(phone, f"w{number}", account="closed")
        return phone


def main(options: argparse.Namespace) -> None:
    """Each case in turns with the smallest."""
    print(machine())
    print("  us of an event   relative to the smallest case")
    with tempfile.TemporaryDirectory() as folder:
        smallest = Measurement(CASES[SMALLEST], Path(folder) / SMALLEST)
        smallest.measure_us(options.requests)  # warms it up
        for number, (name, case) in enumerate(CASES.items()):
            if name == SMALLEST or options.cases not in name:
                continue
            measurement = Measurement(case, Path(folder) / str(number))
            pairs = [
                (smallest.measure_us(options.requests), measurement.measure_us(options.requests))
                for _ in range(options.rounds)
            ]
            ratio = statistics.median(large / small for small, large in pairs)
            print(
                f"  {statistics.median(p[1] for p in pairs):14.0f}   {ratio:5.2f}   {name}",
                flush=True,
            )
        print(f"  {smallest.measure_us(options.requests):14.0f}    1.00   {SMALLEST}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", default="", help="only those whose name contains this")
    main(parser.parse_args())
