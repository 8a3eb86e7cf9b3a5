"""The kinds of request that are not messages: a batch of messages, a cancel, a consent, forgetting. Reads no member.

A batch is read twice: its own fields here, and each member as a record of its own, so that an invalid member is
rejected alone (streams/dispatch/batches/fan_out.py).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from streams.contract.errors import InvalidRequest
from streams.contract.headers import TraceContext
from streams.contract.request.form import MAX_ID_CHARACTERS, RECORD_TYPE, is_id
from streams.contract.wording import describe

MAX_MEMBERS: Final = 1000  # of one record
MAX_BATCH_MEMBERS: Final = 1_000_000
# It is in the id of each member that has none, and in each member's record.
MAX_BATCH_ID_BYTES: Final = 100

_ALLOWED_VALUES: Final = {"consent": ("opted_out", "opted_in")}

FormT = TypeVar("FormT", bound=msgspec.Struct)

_Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]


class BatchForm(msgspec.Struct, frozen=True, kw_only=True):
    """Many messages in one record. A larger batch is several records with the same `batch_id`."""

    type: Annotated[Literal["batch"], RECORD_TYPE]
    batch_id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_BATCH_ID_BYTES,
            description="The caller's name for the batch. Messages without an id get `<batch_id>/<index>`.",
        ),
    ]
    messages: Annotated[
        list[Any],
        Meta(
            min_length=1,
            max_length=MAX_MEMBERS,
            description="Requests for one message each. One that is invalid is rejected alone.",
        ),
    ]
    first: (
        Annotated[
            int,
            Meta(
                ge=0,
                lt=MAX_BATCH_MEMBERS,
                description="The index of the first member of this record in the batch; default 0.",
            ),
        ]
        | None
    ) = None
    total: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=MAX_BATCH_MEMBERS,
                description="How many members the whole batch has; default: those of this record.",
            ),
        ]
        | None
    ) = None


class CancelForm(msgspec.Struct, frozen=True, kw_only=True):
    """Withdraws one message (`to` and `id`), all that wait for a recipient (`to`), or a batch (`batch_id`)."""

    type: Annotated[Literal["cancel"], RECORD_TYPE]
    to: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=128,
                description="The recipient's phone number, or a group.",
            ),
        ]
        | None
    ) = None
    id: Annotated[_Id, Meta(description="The id of the message.")] | None = None
    batch_id: Annotated[_Id, Meta(description="The batch.")] | None = None
    request_id: (
        Annotated[
            _Id,
            Meta(
                description="The cancel's own id. It is answered under this id if nothing can be cancelled."
            ),
        ]
        | None
    ) = None


class ConsentForm(msgspec.Struct, frozen=True, kw_only=True):
    """Sets whether a recipient gets marketing messages."""

    type: Annotated[Literal["consent"], RECORD_TYPE]
    to: Annotated[
        str, Meta(min_length=1, max_length=128, description="The recipient's phone number.")
    ]
    consent: Annotated[
        Literal["opted_out", "opted_in"],
        Meta(title="ConsentStatus", description="opted_out: marketing messages are rejected."),
    ]
    request_id: (
        Annotated[_Id, Meta(description="The id of this request, under which it is answered.")]
        | None
    ) = None


class ForgetForm(msgspec.Struct, frozen=True, kw_only=True):
    """Forgets a recipient: what waits is cancelled, and everything that is stored of the recipient is removed."""

    type: Annotated[Literal["forget"], RECORD_TYPE]
    to: Annotated[
        str,
        Meta(min_length=1, max_length=128, description="The recipient's phone number, or a group."),
    ]
    keep_opt_out: (
        Annotated[
            bool,
            Meta(
                description="Whether an opt-out is kept, under a hash of the number. Default: no."
            ),
        ]
        | None
    ) = None
    request_id: (
        Annotated[_Id, Meta(description="The id of this request, under which it is answered.")]
        | None
    ) = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A valid batch. Its members are as they were written: they may be anything that JSON has."""

    batch_id: str
    members: list[Any]
    first: int
    total: int
    trace: TraceContext = ()


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """A valid cancel: `to` with or without `id`, or `batch_id`."""

    to: str | None = None
    id: str | None = None
    batch_id: str | None = None
    request_id: str | None = None
    trace: TraceContext = ()


class SetConsent(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request to set the consent of a recipient."""

    to: str
    consent: Literal["opted_out", "opted_in"]
    request_id: str | None = None
    trace: TraceContext = ()


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request to forget a recipient."""

    to: str
    keep_opt_out: bool = False
    request_id: str | None = None
    trace: TraceContext = ()


def read_forget(body: Mapping[str, Any], trace: TraceContext) -> Forget:
    """Read a request to forget a recipient. Raises InvalidRequest."""
    form = _decode(body, ForgetForm)
    _require_id("request_id", form.request_id)
    keep_opt_out = bool(form.keep_opt_out)
    return Forget(to=form.to, keep_opt_out=keep_opt_out, request_id=form.request_id, trace=trace)


def read_consent(body: Mapping[str, Any], trace: TraceContext) -> SetConsent:
    """Read a consent. Raises InvalidRequest."""
    form = _decode(body, ConsentForm)
    _require_id("request_id", form.request_id)
    return SetConsent(to=form.to, consent=form.consent, request_id=form.request_id, trace=trace)


def read_batch(body: Mapping[str, Any], trace: TraceContext) -> Batch:
    """Read a batch. Raises InvalidRequest."""
    form = _decode(body, BatchForm)
    _require_id("batch_id", form.batch_id)
    if len(form.batch_id.encode()) > MAX_BATCH_ID_BYTES:
        _refuse(f"batch_id: has more than {MAX_BATCH_ID_BYTES} bytes")
    first, end = form.first or 0, (form.first or 0) + len(form.messages)
    total = end if form.total is None else form.total
    if end > total:
        _refuse("total: is less than first and the number of messages together")
    if total > MAX_BATCH_MEMBERS:
        _refuse(f"first: a batch has at most {MAX_BATCH_MEMBERS} members")
    return Batch(
        batch_id=form.batch_id, members=form.messages, first=first, total=total, trace=trace
    )


def read_cancel(body: Mapping[str, Any], trace: TraceContext) -> Cancel:
    """Read a cancel. Raises InvalidRequest."""
    form = _decode(body, CancelForm)
    for field in ("id", "batch_id", "request_id"):
        _require_id(field, getattr(form, field))
    if (form.to is None) == (form.batch_id is None):
        _refuse("to: either to or batch_id must be given, and not both")
    if form.id is not None and form.to is None:
        _refuse("id: must not be given without to")
    if form.id is not None and form.request_id == form.id:
        _refuse("request_id: is the id of the message; the cancel needs an id of its own")
    return Cancel(
        to=form.to, id=form.id, batch_id=form.batch_id, request_id=form.request_id, trace=trace
    )


def _decode(body: Mapping[str, Any], form: type[FormT]) -> FormT:
    try:
        return msgspec.convert(body, form)
    except msgspec.ValidationError as error:
        raise InvalidRequest("schema_violation", describe(error, _ALLOWED_VALUES)) from error


def _require_id(field: str, value: str | None) -> None:
    if value is not None and not is_id(value):
        _refuse(f"{field}: must be 1 to {MAX_ID_CHARACTERS} printable characters")


def _refuse(detail: str) -> None:
    raise InvalidRequest("schema_violation", detail)
