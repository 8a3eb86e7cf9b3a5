"""The request of `streams/contract/request/form.py` as a pydantic model: the same fields and bounds."""
# ruff: noqa: D101 (each class mirrors the one of the same name there)

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

NOT_BLANK = r"\S"
BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
Body = Annotated[str, Field(min_length=1, max_length=65_536, pattern=NOT_BLANK)]
WhatsAppId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
Short = Annotated[str, Field(min_length=1, max_length=256, pattern=NOT_BLANK)]
Place = Annotated[str, Field(max_length=1024)]
Phone = Annotated[str, Field(min_length=1, max_length=128)]
Id = Annotated[str, Field(min_length=1, max_length=128)]
Phones = Annotated[list[Phone], Field(min_length=1, max_length=20)]
Option = Annotated[str, Field(min_length=1, max_length=100, pattern=NOT_BLANK)]


class Strict(BaseModel):
    """As strict as wa-streams: frozen, and a text is not accepted as a number."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Text(Strict):
    type: Literal["text"]
    body: Body


class Template(Strict):
    type: Literal["template"]
    name: Short
    language: Short | None = None
    params: dict[str, str | int | float] | None = None


class Media(Strict):
    type: Literal["image", "video", "audio", "document", "sticker"]
    url: Annotated[str, Field(max_length=2048)] | None = None
    data: Annotated[str, Field(min_length=4, pattern=BASE64)] | None = None
    mime: Annotated[str, Field(max_length=255)] | None = None
    filename: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    caption: Place | None = None
    voice: bool | None = None


class Location(Strict):
    type: Literal["location"]
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    name: Place | None = None
    address: Place | None = None


class Contact(Strict):
    type: Literal["contact"]
    name: Short
    phones: Phones


class Poll(Strict):
    type: Literal["poll"]
    question: Annotated[str, Field(min_length=1, max_length=255, pattern=NOT_BLANK)]
    options: Annotated[list[Option], Field(min_length=2, max_length=12)]
    multiple: bool | None = None


class Reaction(Strict):
    type: Literal["reaction"]
    message_id: WhatsAppId
    emoji: Annotated[str, Field(max_length=32)]


Content = Annotated[
    Text | Template | Media | Location | Contact | Poll | Reaction, Field(discriminator="type")
]


class Form(Strict):
    id: Id | None = None
    to: Phone | None = None
    phoneNumber: Phone | None = None
    content: Content | None = None
    text: Body | None = None
    message: Body | None = None
    priority: Literal["urgent", "normal", "bulk"] | None = None
    category: Literal["transactional", "marketing"] | None = None
    send_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    ttl_s: Annotated[float, Field(gt=0, le=31_622_400)] | None = None
    account: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")] | None = None
    reply_to: WhatsAppId | None = None
    batch_id: Id | None = None
    metadata: dict[str, Any] | None = None
