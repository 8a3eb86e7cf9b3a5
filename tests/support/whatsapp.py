"""What a person does for an account under test: scan the QR code that the service shows."""

from typing import Any

import orjson

from tests.support.caller import Caller
from tests.support.sandbox import SandboxControl
from tests.support.waiting import wait_until


def read_account_record(caller: Caller, account: str = "main") -> dict[str, Any] | None:
    """The newest record of an account on `wa.accounts`."""
    records = caller.follow(caller.names.accounts)
    values = [r.value for r in records if r.key == account.encode() and r.value is not None]
    return orjson.loads(values[-1]) if values else None


async def link_account(
    caller: Caller, control: SandboxControl, account: str = "main"
) -> dict[str, Any]:
    """Scan the account's QR code as soon as it is shown, with its own phone. Returns its record once it is ready."""
    scanned_codes: set[str] = set()

    async def scan_new_code() -> dict[str, Any] | None:
        record = read_account_record(caller, account)
        if record is None or record["state"] == "ready":
            return record
        if record.get("qr") and record["qr"] not in scanned_codes:
            scanned_codes.add(record["qr"])
            await control.scan(record["qr"], record["linked_phone"])
        return None

    return await wait_until(
        scan_new_code, message=f"{account} was not linked: {read_account_record(caller, account)}"
    )
