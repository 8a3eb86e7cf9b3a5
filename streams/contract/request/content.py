"""The kinds of content that can be sent, with their bounds. Nothing is fetched or converted in this file.

The bounds are WhatsApp's own where it has one: 65,536 characters of text, 1,024 of a caption, 12 options of
a poll. A character is a Unicode code point. A field that is null counts as absent.
"""

import binascii
from typing import Annotated, Final, TypeAlias, get_args

import msgspec
import orjson
from msgspec import Meta

# A line break at the end must not match: Python's `$` also matches before it, JavaScript's does not.
_END_OF_TEXT = r"$(?!\n)"
# At least one character that is not white space.
NOT_BLANK = r"\S"

TextBody = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=65_536,
        pattern=NOT_BLANK,
        description="The text. WhatsApp's own marks for bold, italic and so on are allowed.",
    ),
]
WhatsAppId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+" + _END_OF_TEXT,
        description="The WhatsApp id of a message, for example 3EB0C767D82B0A0C1E2F.",
    ),
]
_Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=NOT_BLANK)]
_PlaceText = Annotated[str, Meta(max_length=1024)]
MAX_FILENAME_CHARACTERS: Final = 255
# No path, no line break or other control character, and nothing that turns the reading direction round: with it,
# "exe.gpj" would be shown as a picture's name.
FILENAME_PATTERN = (
    r"^[^/\\\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+" + _END_OF_TEXT
)
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?" + _END_OF_TEXT
_PollOption = Annotated[str, Meta(min_length=1, max_length=100, pattern=NOT_BLANK)]
_ContactPhone = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=NOT_BLANK,
        description="A phone number, read like `to`.",
    ),
]


TemplateNumber = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float
TemplateName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9_.-]+" + _END_OF_TEXT,
        description="The name of a template.",
    ),
]
TemplateLanguage = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[A-Za-z]{2,3}(?:[_-][A-Za-z0-9]{2,8})*" + _END_OF_TEXT,
        description="A language: pt, pt_BR. If the template does not have it, pt follows, then its default.",
    ),
]


class _ContentBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What all kinds of content share: frozen, keyword-only, encoded without default values."""


class TextContent(_ContentBase, frozen=True, tag="text"):
    """A text message."""

    body: TextBody


class TemplateContent(_ContentBase, frozen=True, tag="template"):
    """A template of `wa.templates`, with its parameters."""

    name: TemplateName
    language: TemplateLanguage | None = None
    params: (
        Annotated[
            dict[str, Annotated[str | TemplateNumber, Meta(title="TemplateParameter")]],
            Meta(description="What is filled in: `{{ name }}` gets the parameter `name`."),
        ]
        | None
    ) = None


class _MediaBase(_ContentBase, frozen=True):
    """A file: either its bytes in base64 (`data`) or its address (`url`)."""

    url: (
        Annotated[
            str,
            Meta(
                max_length=2048,
                pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://[^\s\\]+" + _END_OF_TEXT,
                description="The address of the file: https or http, a scheme of WA_MEDIA_SCHEMES, or wa-media "
                "for an upload.",
            ),
        ]
        | None
    ) = None
    data: (
        Annotated[
            str,
            Meta(
                min_length=4,
                description="The file in base64: standard alphabet, padded, no line breaks.",
                # `__post_init__` checks this, a hundred times faster than the pattern would.
                extra_json_schema={"contentEncoding": "base64", "pattern": _BASE64},
            ),
        ]
        | None
    ) = None
    mime: (
        Annotated[
            str,
            Meta(
                max_length=255,
                pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:;[ -~]+)?" + _END_OF_TEXT,
                description="The media type. If it is absent, it is detected from the file.",
            ),
        ]
        | None
    ) = None
    filename: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=MAX_FILENAME_CHARACTERS,
                pattern=FILENAME_PATTERN,
                description="If it is absent, or its extension does not fit, it is completed.",
            ),
        ]
        | None
    ) = None
    caption: Annotated[str, Meta(max_length=1024, description="The text below it.")] | None = None
    voice: Annotated[bool, Meta(description="Show the audio as a voice message.")] | None = None

    def __post_init__(self) -> None:
        if (self.url is None) == (self.data is None):
            raise ValueError(
                "data: is missing" if self.url is None else "url: must not be given with data"
            )
        if self.data is not None:
            try:
                binascii.a2b_base64(self.data, strict_mode=True)
            except ValueError as error:
                raise ValueError(f"data: is not base64 ({error})") from error


class ImageContent(_MediaBase, frozen=True, tag="image"):
    """An image."""


class VideoContent(_MediaBase, frozen=True, tag="video"):
    """A video."""


class AudioContent(_MediaBase, frozen=True, tag="audio"):
    """An audio file, or with `voice` a voice message."""


class DocumentContent(_MediaBase, frozen=True, tag="document"):
    """A file of any kind."""


class StickerContent(_MediaBase, frozen=True, tag="sticker"):
    """A sticker (WebP)."""


class LocationContent(_ContentBase, frozen=True, tag="location"):
    """A location, in degrees."""

    latitude: Annotated[float, Meta(ge=-90, le=90, description="Degrees north.")]
    longitude: Annotated[float, Meta(ge=-180, le=180, description="Degrees east.")]
    name: Annotated[_PlaceText, Meta(description="The name of the place.")] | None = None
    address: Annotated[_PlaceText, Meta(description="The address of the place.")] | None = None


class ContactContent(_ContentBase, frozen=True, tag="contact"):
    """A contact card."""

    name: Annotated[_Name, Meta(description="The name on the card.")]
    phones: Annotated[
        list[_ContactPhone],
        Meta(min_length=1, max_length=20, description="The phone numbers, each read like `to`."),
    ]


class PollContent(_ContentBase, frozen=True, tag="poll"):
    """A question with options to choose from."""

    question: Annotated[
        str, Meta(min_length=1, max_length=255, pattern=NOT_BLANK, description="The question.")
    ]
    options: Annotated[
        list[_PollOption],
        Meta(
            min_length=2,
            max_length=12,
            description="What can be chosen.",
            extra_json_schema={"uniqueItems": True},
        ),
    ]
    multiple: Annotated[bool, Meta(description="More than one option may be chosen.")] | None = None

    def __post_init__(self) -> None:
        if len(set(self.options)) < len(self.options):
            raise ValueError("options: contain the same option twice")


class ReactionContent(_ContentBase, frozen=True, tag="reaction"):
    """A reaction to a message in this chat."""

    message_id: WhatsAppId
    emoji: Annotated[
        str, Meta(max_length=32, description="The emoji; empty: the reaction is removed.")
    ]


MediaContent: TypeAlias = (
    ImageContent | VideoContent | AudioContent | DocumentContent | StickerContent
)
Content: TypeAlias = (
    TextContent
    | TemplateContent
    | ImageContent
    | VideoContent
    | AudioContent
    | DocumentContent
    | StickerContent
    | LocationContent
    | ContactContent
    | PollContent
    | ReactionContent
)
CONTENT_KINDS: Final = tuple(kind.__struct_config__.tag for kind in get_args(Content))
MEDIA_CLASSES: Final = (ImageContent, VideoContent, AudioContent, DocumentContent, StickerContent)

_decoder = msgspec.json.Decoder(Content)


def encode(content: Content) -> bytes:
    """Encode the content as JSON, without nulls and default values."""
    return orjson.dumps(msgspec.to_builtins(content))


def decode(data: bytes) -> Content:
    """Decode the content.

    Raises:
        msgspec.DecodeError: the bytes are not a valid content.
    """
    return _decoder.decode(data)
