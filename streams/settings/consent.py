"""The settings of consent: which words end marketing messages to a recipient, and what is answered. Reads nothing."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from streams.domain.consent.words import DEFAULT_OPT_IN_WORDS, DEFAULT_OPT_OUT_WORDS
from streams.settings.types import setting

Word = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"\w",
        description="a word or phrase of at most 64 characters, like STOP",
    ),
]
Text = Annotated[
    str,
    Meta(max_length=4096, pattern=r"\S", description="a text of 1 to 4096 characters"),
]


@dataclass(frozen=True, kw_only=True)
class ConsentSettings:
    """Opt-out of marketing messages, by a word that a recipient writes."""

    opt_out_words: tuple[Word, ...] = setting(
        DEFAULT_OPT_OUT_WORDS,
        "A received message that is nothing but one of these words opts out of marketing messages. "
        "Case and punctuation do not matter. An empty list in the file turns this off.",
    )
    opt_in_words: tuple[Word, ...] = setting(
        DEFAULT_OPT_IN_WORDS, "A received message that is nothing but one of these ends an opt-out."
    )
    opt_out_secret: str | None = setting(
        None,
        "Secret with which the numbers of forgotten recipients are hashed whose opt-out is kept. With another one, "
        "they are not found any more. Without one, whoever can read the dispatcher's table can try all numbers out.",
        secret=True,
    )
    opt_out_reply: Text | None = setting(
        None, "Text that confirms an opt-out to the recipient. Without it, nothing is sent."
    )
    opt_in_reply: Text | None = setting(
        None, "Text that confirms to the recipient that an opt-out has ended."
    )
