"""The settings of consent: which words end marketing messages to a recipient, and what is answered. Reads nothing."""

from dataclasses import dataclass

from streams.domain.consent.words import DEFAULT_OPT_IN_WORDS, DEFAULT_OPT_OUT_WORDS
from streams.settings.fields import setting
from streams.settings.types import Text, Word


@dataclass(frozen=True, kw_only=True)
class ConsentSettings:
    """Opt-out of marketing messages, by a word that a recipient writes."""

    opt_out_words: tuple[Word, ...] = setting(
        DEFAULT_OPT_OUT_WORDS,
        "A received message that is nothing but one of these words opts out of marketing messages. "
        "Case and punctuation do not matter. An empty list turns this off.",
    )
    opt_in_words: tuple[Word, ...] = setting(
        DEFAULT_OPT_IN_WORDS, "A received message that is nothing but one of these ends an opt-out."
    )
    opt_out_reply: Text | None = setting(
        None, "Text that confirms an opt-out to the recipient. Without it, nothing is sent."
    )
    opt_in_reply: Text | None = setting(
        None, "Text that confirms to the recipient that an opt-out has ended."
    )
