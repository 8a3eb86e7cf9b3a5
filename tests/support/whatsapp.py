"""What a person does for an account under test: scan the QR code that the service shows."""

from typing import Any

import orjson

from tests.support.browser import Control
from tests.support.system import Caller, until


def account_record(caller: Caller, account: str = "main") -> dict[str, Any] | None:
    """The newest record of an account on `wa.accounts`."""
    records = caller.follow(caller.names.accounts)
    mine = [r.value for r in records if r.key == account.encode() and r.value is not None]
    return orjson.loads(mine[-1]) if mine else None


async def linked(caller: Caller, control: Control, account: str = "main") -> dict[str, Any]:
    """Scan the account's QR code as soon as it is shown; returns its record once it is ready."""
    scanned: set[str] = set()

    async def look() -> dict[str, Any] | None:
        record = account_record(caller, account)
        if record is None or record["state"] == "ready":
            return record
        if record.get("qr") and record["qr"] not in scanned:
            scanned.add(record["qr"])
            await control.post("/scan", {"qr": record["qr"]})
        return None

    return await until(look, why=f"{account} was not linked: {account_record(caller, account)}")
