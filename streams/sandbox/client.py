"""Clients of the sandbox's control interface: HTTP with JSON on loopback. For the command line and tests.

Only calls and their types belong here; control.py has the other end. `SandboxClient` blocks,
`AsyncSandboxClient` has the same calls for a program with an event loop.

SandboxError
├── SandboxUnreachable   nothing answers: start a sandbox
└── SandboxRefused       the sandbox answered with an error: the request is wrong, or too late
"""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from streams.sandbox.state.faults import FaultValue

_TIMEOUT_S = 10.0
# A proxy of the environment is not for loopback.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Row: TypeAlias = dict[str, Any]


class SandboxError(RuntimeError):
    """A call to the sandbox failed. The message is one line."""


class SandboxUnreachable(SandboxError):
    """Nothing answers. The message says what to start."""


class SandboxRefused(SandboxError):
    """The sandbox answered with an error: `status` is HTTP's, `detail` the sandbox's own sentence."""

    def __init__(self, path: str, status: int, detail: str) -> None:
        super().__init__(f"the sandbox refuses {path}: {detail}")
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class SandboxAccount:
    """An account of the sandbox: its phone, the number of linked devices, and whether one is connected."""

    phone: str
    devices: int
    connected: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """With `browser_args`, any Chromium reaches this sandbox. `qr` lists the codes that pages show now."""

    browser_args: list[str]
    accounts: list[SandboxAccount]
    qr: list[str]


class SandboxClient:
    """A running sandbox. Every call blocks, for a few seconds at most, and may raise a SandboxError."""

    def __init__(self, url: str) -> None:
        self.url = url

    # -- reading

    def fetch_overview(self) -> Overview:
        """The arguments for a browser, the accounts, and the QR codes to scan."""
        answer = self._call("GET", "/")
        accounts = [SandboxAccount(**account) for account in answer["accounts"]]
        return Overview(answer["browser_args"], accounts, answer["qr"])

    def fetch_browser_args(self) -> list[str]:
        """The arguments with which any Chromium reaches this sandbox."""
        return self._call("GET", "/")["browser_args"]

    def fetch_log(self, after_seq: int = 0) -> list[Row]:
        """Every message with a greater `seq`, in the order of arrival."""
        return self._call("GET", f"/log?after={after_seq}")

    def fetch_events(self, after_seq: int = 0) -> list[Row]:
        """Every event with a greater `seq`: messages, links, refusals, receipts and the like."""
        return self._call("GET", f"/log?event=all&after={after_seq}")

    # -- what phones do

    def scan(self, qr: str, phone: str | None = None) -> str:
        """A phone scans this QR code. Returns its number: a new one if none is given."""
        return self._call("POST", "/scan", _without_none(qr=qr, phone=phone))["phone"]

    def enter_pairing_code(self, pairing_code: str, phone: str | None = None) -> str:
        """The code is entered in the phone that it is for. Returns the phone's number."""
        body = _without_none(pairing_code=pairing_code, phone=phone)
        return self._call("POST", "/scan", body)["phone"]

    def write_to_account(
        self, from_: str, to: str, body: str = "", *, reply_to: str | None = None, **fields: object
    ) -> str:
        """Somebody writes to the account `to`. `fields` are those of `POST /inbound`. Returns the message's id."""
        message = _without_none(to=to, body=body, reply_to=reply_to, **fields) | {"from": from_}
        return self._call("POST", "/inbound", message)["whatsapp_id"]

    def read_messages(self, by: str, to: str, *, group: str | None = None) -> int:
        """`by` reads all messages of the account `to`, or those in a group. Returns how many were unread."""
        return self._call("POST", "/read", _without_none(by=by, to=to, group=group))["read"]

    def change_group(
        self,
        members: Sequence[str],
        *,
        group: str | None = None,
        subject: str = "Group",
        admins: Sequence[str] = (),
        admins_only: bool = False,
    ) -> str:
        """Make a group, or change it: its members are these from now on. Returns its id."""
        fields = {"members": list(members), "admins": list(admins), "admins_only": admins_only}
        body = _without_none(id=group, subject=subject) | fields
        return self._call("POST", "/groups", body)["id"]

    # -- behaviour

    def set_numbers(self, numbers: Mapping[str, Mapping[str, Any]]) -> None:
        """Set what look-ups answer: `on_whatsapp` and `chat_id` for each number."""
        self._call("POST", "/numbers", dict(numbers))

    def add_faults(
        self,
        faults: Mapping[str, FaultValue],
        *,
        number: str | None = None,
        account: str | None = None,
        count: int | None = None,
        is_lasting: bool = False,
    ) -> None:
        """Add faults (state/faults.py lists them), for all or for one recipient or account.

        Without a `count` a fault lasts, except a one-shot fault; `is_lasting` makes that one last too.
        """
        body = _without_none(number=number, account=account, count=count) | dict(faults)
        self._call("POST", "/faults", body | ({"count": None} if is_lasting else {}))

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._call("DELETE", "/faults")

    def reset(self) -> None:
        """Start a clean world: no account, no message, no fault. Pages show a QR code."""
        self._call("POST", "/reset", {})

    def _call(self, method: str, path: str, body: object = None) -> Any:
        payload = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=payload, method=method)
        try:
            with _opener.open(request, timeout=_TIMEOUT_S) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise SandboxRefused(path, error.code, _read_error(error)) from error
        except OSError as error:
            raise SandboxUnreachable(
                f"no sandbox answers at {self.url}: start `wa-streams sandbox`, or `wa-streams up --sandbox`"
            ) from error


class AsyncSandboxClient:
    """The calls of `SandboxClient`, each in a thread."""

    def __init__(self, url: str) -> None:
        self._client = SandboxClient(url)

    @property
    def url(self) -> str:
        """The URL of the control interface."""
        return self._client.url

    async def fetch_overview(self) -> Overview:  # noqa: D102
        return await asyncio.to_thread(self._client.fetch_overview)

    async def fetch_log(self, after_seq: int = 0) -> list[Row]:  # noqa: D102
        return await asyncio.to_thread(self._client.fetch_log, after_seq)

    async def fetch_events(self, after_seq: int = 0) -> list[Row]:  # noqa: D102
        return await asyncio.to_thread(self._client.fetch_events, after_seq)

    async def scan(self, qr: str, phone: str | None = None) -> str:  # noqa: D102
        return await asyncio.to_thread(self._client.scan, qr, phone)

    async def enter_pairing_code(self, pairing_code: str, phone: str | None = None) -> str:  # noqa: D102
        return await asyncio.to_thread(self._client.enter_pairing_code, pairing_code, phone)

    async def write_to_account(  # noqa: D102
        self, from_: str, to: str, body: str = "", *, reply_to: str | None = None, **fields: object
    ) -> str:
        return await asyncio.to_thread(
            partial(self._client.write_to_account, from_, to, body, reply_to=reply_to, **fields)
        )

    async def read_messages(self, by: str, to: str, *, group: str | None = None) -> int:  # noqa: D102
        return await asyncio.to_thread(self._client.read_messages, by, to, group=group)

    async def change_group(  # noqa: D102
        self,
        members: Sequence[str],
        *,
        group: str | None = None,
        subject: str = "Group",
        admins: Sequence[str] = (),
        admins_only: bool = False,
    ) -> str:
        return await asyncio.to_thread(
            self._client.change_group,
            members,
            group=group,
            subject=subject,
            admins=admins,
            admins_only=admins_only,
        )

    async def set_numbers(self, numbers: Mapping[str, Mapping[str, Any]]) -> None:  # noqa: D102
        await asyncio.to_thread(self._client.set_numbers, numbers)

    async def add_faults(  # noqa: D102
        self,
        faults: Mapping[str, FaultValue],
        *,
        number: str | None = None,
        account: str | None = None,
        count: int | None = None,
        is_lasting: bool = False,
    ) -> None:
        await asyncio.to_thread(
            self._client.add_faults,
            faults,
            number=number,
            account=account,
            count=count,
            is_lasting=is_lasting,
        )

    async def clear_faults(self) -> None:  # noqa: D102
        await asyncio.to_thread(self._client.clear_faults)

    async def reset(self) -> None:  # noqa: D102
        await asyncio.to_thread(self._client.reset)


def _without_none(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _read_error(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
