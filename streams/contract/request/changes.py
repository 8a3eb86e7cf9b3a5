"""The kinds of request that change an earlier message: an edit, which gives it another text, and a revoke.

A change goes the way of a message: it has an id of its own, waits in the recipient's row, and is answered with
statuses. `id` names the message that is changed, and `request_id` the change. Nothing is decided here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from streams.contract.errors import InvalidRequest
from streams.contract.request.content import TextBody
from streams.contract.request.form import MAX_ID_CHARACTERS, RECORD_TYPE, is_id
from streams.contract.wording import describe

_Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
_To = Annotated[
    str, Meta(min_length=1, max_length=128, description="The recipient of the message, or a group.")
]
_MessageId = Annotated[_Id, Meta(description="The id of the message that is changed.")]
_RequestId = Annotated[_Id, Meta(description="The change's own id. It is answered under this id.")]


class EditedText(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """The new text of a message, or the new caption of its file."""

    body: TextBody


class EditForm(msgspec.Struct, frozen=True, kw_only=True):
    """Gives a message that was sent another text, or another caption."""

    type: Annotated[Literal["edit"], RECORD_TYPE]
    to: _To
    id: _MessageId
    content: EditedText
    request_id: _RequestId | None = None


class RevokeForm(msgspec.Struct, frozen=True, kw_only=True):
    """Deletes a message for everyone. One that still waits is cancelled."""

    type: Annotated[Literal["revoke"], RECORD_TYPE]
    to: _To
    id: _MessageId
    request_id: _RequestId | None = None


class EditContent(msgspec.Struct, frozen=True, tag_field="type", tag="edit"):
    """What the sender gets of an edit."""

    body: TextBody


class RevokeContent(msgspec.Struct, frozen=True, tag_field="type", tag="revoke"):
    """What the sender gets of a revoke."""


ChangeForm: TypeAlias = EditForm | RevokeForm


def read_change(body: Mapping[str, Any]) -> ChangeForm:
    """Read an edit or a revoke. Raises InvalidRequest."""
    kind = EditForm if body.get("type") == "edit" else RevokeForm
    try:
        form = msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest("schema_violation", describe(error, {})) from error
    for field, value in (("id", form.id), ("request_id", form.request_id)):
        if value is not None and not is_id(value):
            detail = f"{field}: must be 1 to {MAX_ID_CHARACTERS} printable characters"
            raise InvalidRequest("schema_violation", detail)
    if form.request_id == form.id:
        detail = "request_id: is the id of the message; the change needs an id of its own"
        raise InvalidRequest("schema_violation", detail)
    return form


def make_content(form: ChangeForm) -> EditContent | RevokeContent:
    """What is sent for it."""
    return EditContent(form.content.body) if isinstance(form, EditForm) else RevokeContent()
