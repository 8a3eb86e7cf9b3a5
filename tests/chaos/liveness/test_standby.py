"""One account with two senders: the active one is killed while it has messages, and the standby takes over.

With a shared profile, the standby finds the messages in doubt in the page's store. With a profile of its own, it is
another linked device of the same phone: what it does not find there is `unknown`, and never sent again.
"""

import asyncio
import signal
import time
from pathlib import Path

import orjson
import pytest

from tests.chaos.liveness.service import MAIN, Service, run_service
from tests.support.broker import KafkaEndpoint
from tests.support.system import Worker
from tests.support.verdict import check_by_audit, judge, read_number
from tests.support.waiting import wait_until
from tests.support.whatsapp import link_account

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(500)]

PHONES, ROUNDS = 10, 30
STANDBY = "sender-main-2"
ACK_DELAY_MS = 200  # so that something is in doubt at the kill


def start_standby(service: Service, folder: Path, profile: str) -> Worker:
    """A second sender of the account, on the same data folder or on one of its own."""
    data_dir = service.system.settings.data_dir if profile == "shared" else folder / "standby"
    environ = {"WA_DATA_DIR": str(data_dir)}
    worker = service.system.start_worker("sender", "--account", MAIN, name=STANDBY, **environ)
    worker.run_file = data_dir / "run" / f"{STANDBY}.json"
    return worker


async def link_standby(service: Service, standby: Worker) -> float:
    """The standby takes over once, by a regular stop, and is linked; then the first sender has the account again."""
    first = service.senders[MAIN]
    stopped_s = time.time()
    await asyncio.to_thread(first.kill, signal.SIGTERM)
    await wait_until(lambda: _is_owned_by(service, standby))
    took_over_s = time.time() - stopped_s
    await link_account(service.caller, service.control, MAIN)
    await standby.wait_until_ready()
    await service.restart_sender(MAIN)
    return took_over_s


def _read_owner(service: Service) -> str | None:
    records = [r for r in service.caller.follow(service.caller.names.accounts) if r.value]
    return orjson.loads(records[-1].value)["owner"] if records else None


def _is_owned_by(service: Service, worker: Worker) -> bool:
    return str(_read_owner(service)).endswith(f":{worker.process.pid}")


@pytest.mark.parametrize("profile", ["shared", "own"])
async def test_the_standby_takes_over(broker: KafkaEndpoint, tmp_path: Path, profile: str) -> None:
    """Nothing is lost and nothing is shown twice; only what was in doubt may be `unknown`."""
    async with run_service(broker, tmp_path, accounts=[MAIN], unknown_after_s=60) as service:
        standby = start_standby(service, tmp_path, profile)
        await wait_until(standby.is_ready)
        if profile == "own":
            print(
                f"\na regular stop: taken over after {await link_standby(service, standby):.1f} s"
            )
        await service.control.add_faults({"ack_delay_ms": ACK_DELAY_MS})
        ids = [f"{phone}/{n}" for n in range(ROUNDS) for phone in range(PHONES)]
        requests = [
            {"id": id, "to": f"+90555{4_000_000 + int(id.split('/')[0])}", "text": id} for id in ids
        ]
        await service.caller.request(*requests)
        await _wait_for_arrivals(service, len(ids) // 4)
        active, other = service.senders[MAIN], standby
        if _is_owned_by(service, standby):
            active, other = other, active
        killed_s = time.time()
        active.kill()
        count = len(await service.control.fetch_log())
        await wait_until(lambda: _is_owned_by(service, other))
        owned_s = time.time() - killed_s
        await _wait_for_arrivals(service, count + 5)
        print(f"\n{profile} profile: the standby owns the account after {owned_s:.1f} s,", end=" ")
        print(f"and sends after {time.time() - killed_s:.1f} s", end="; ", flush=True)
        await service.caller.wait_for_statuses(ids, {"sent", "unknown"}, 240)
        events = service.caller.status_events()
        unknown = {event["id"] for event in events if event["status"] == "unknown"}
        verdict = judge(await service.control.fetch_log())
        print(f"{len(ids)} messages, twice {len(verdict.duplicates)}, unknown {len(unknown)}")
        assert verdict.duplicates == []
        assert verdict.find_lost(id for id in ids if id not in unknown) == []
        assert verdict.find_out_of_order(read_number) == []
        assert len(unknown) <= (0 if profile == "shared" else 10)
        await check_by_audit(service.system.settings)


async def _wait_for_arrivals(service: Service, count: int) -> None:
    async def have_arrived() -> bool:
        return len(await service.control.fetch_log()) >= count

    await wait_until(have_arrived, timeout_s=120, message=f"{count} messages never arrived")
