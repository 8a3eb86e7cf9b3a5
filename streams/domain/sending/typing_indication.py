"""How long the account is shown as typing before a message: in proportion to its text, within a bound. Pure.

content                          seconds
-------------------------------  -----------------------------------------
a text, a file with a caption    a third for each character, `max_s` at most
anything else                    0: nothing is shown

"""

from collections.abc import Mapping
from typing import Final

import msgspec

# A person writes 36 words of five letters, or 3 characters a second, on a phone (docs/operating.md has the source).
CHARACTERS_PER_S: Final = 3.0
_TEXT_FIELDS: Final = ("body", "caption")


class TypingRule(msgspec.Struct, frozen=True):
    """`max_s` 0: nothing is shown."""

    max_s: float = 0.0
    characters_per_s: float = CHARACTERS_PER_S

    def duration_s(self, content: Mapping[str, object]) -> float:
        """Seconds for this content; 0 if it has no text."""
        texts = (content.get(name) for name in _TEXT_FIELDS)
        length = sum(len(text) for text in texts if isinstance(text, str))
        return min(self.max_s, length / self.characters_per_s)
