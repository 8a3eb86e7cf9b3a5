"""What a file's rows become: one batch, and a list of what is wrong. Deterministic; no I/O.

The ids follow from the recipient and the content of each row. So a file that is sent twice, or again after some of its
rows were corrected, sends each message once: the service knows the ids. Another campaign has other ids.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from streams.client.requests import RequestInvalid, encode_request
from streams.contract.request.kinds import MAX_BATCH_MEMBERS
from streams.domain.recipients import to_recipient_key
from streams.operations.batches.rows import Request, Row
from streams.operations.errors import UsageError

# What makes two rows the same message. A row that is only scheduled anew is the same one.
_CONTENT_FIELDS: Final = ("content", "text", "message", "reply_to")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME_CHARACTERS: Final = 60

CheckRequest = Callable[[Request], str | None]


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row that cannot be sent, and why."""

    line: int
    problem: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch that is ready to be sent."""

    batch_id: str
    requests: Sequence[Request]
    invalid: Sequence[InvalidRow]
    repeated: int  # rows that are left out, because an earlier one is the same message


def plan_batch(name: str, rows: Sequence[Row], campaign: str, check: CheckRequest) -> Plan:
    """The batch of these rows. `name` is for its id; `check` says what else is wrong with a request, or None.

    Raises:
        UsageError: there are too many rows.
    """
    if len(rows) > MAX_BATCH_MEMBERS:
        raise UsageError(f"has {len(rows)} rows; a batch has at most {MAX_BATCH_MEMBERS}")
    requests: dict[tuple[str, str], Request] = {}
    invalid: list[InvalidRow] = []
    valid = 0
    for row in rows:
        request = None if row.request is None else _with_id(row.request, campaign)
        problem = row.problem if request is None else _find_problem(request, check)
        if problem is not None or request is None:
            invalid.append(InvalidRow(row.line, problem or "is not a request"))
            continue
        valid += 1
        requests.setdefault((_get_key(request), request["id"]), request)
    chosen = list(requests.values())
    return Plan(_make_batch_id(name, campaign, chosen), chosen, invalid, valid - len(chosen))


def _with_id(request: Request, campaign: str) -> Request:
    if request.get("id") is not None:
        return request
    content = {name: request[name] for name in _CONTENT_FIELDS if request.get(name) is not None}
    return {**request, "id": _hash(campaign, {"to": _get_key(request), **content})}


def _get_key(request: Request) -> str:
    return to_recipient_key(str(request.get("to") or request.get("phoneNumber") or ""))


def _find_problem(request: Request, check: CheckRequest) -> str | None:
    try:
        encode_request(request)
    except RequestInvalid as error:
        return str(error)
    except TypeError as error:
        return " ".join(str(error).split())
    return check(request)


def _make_batch_id(name: str, campaign: str, requests: Sequence[Request]) -> str:
    members = [[_get_key(request), request["id"]] for request in requests]
    label = _UNSAFE.sub("-", campaign or name)[:_MAX_NAME_CHARACTERS].strip("-") or "batch"
    return f"{label}-{_hash(campaign, members)[:12]}"


def _hash(campaign: str, value: Any) -> str:
    data = orjson.dumps([campaign, value], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(data).hexdigest()[:32]
