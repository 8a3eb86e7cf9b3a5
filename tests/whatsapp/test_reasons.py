"""The table of reasons: every reason that the code can give has its sentence."""

import re
from pathlib import Path

import pytest

import streams.whatsapp.web
from streams.whatsapp.reasons import REASONS, STORAGE_REASONS, describe_reason, explain_reason

SOURCES = [
    path.read_text(encoding="utf-8")
    for folder in (Path(streams.whatsapp.web.__file__).parent,)
    for path in folder.glob("*.py")
]


def find_reasons() -> set[str]:
    """The reasons that the code of the session names."""
    patterns = (
        r"Phase\.[A-Z_]+, \"([a-z_]+)\"",
        r"on_page_lost\(\"([a-z_]+)\"\)",
        r"return \"(page_[a-z]+)\"",
        r"reason = \"([a-z_]+)\"",
        r"\"[0-9]\": \"([a-z_]+)\"",
    )
    return {
        reason for text in SOURCES for pattern in patterns for reason in re.findall(pattern, text)
    }


def test_every_reason_of_the_code_is_explained() -> None:
    """A person who reads a reason can look up what to do."""
    reasons = find_reasons()
    assert len(reasons) >= 10
    assert reasons - set(REASONS) == set()


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_an_explanation_is_a_sentence(reason: str) -> None:
    """It begins with a capital letter and ends with a full stop."""
    text = REASONS[reason]
    assert text[0].isupper()
    assert text.endswith(".")


def test_storage_reasons_are_in_the_table() -> None:
    """The reasons that keep the link are explained too; an unknown reason stays as it is."""
    assert STORAGE_REASONS.issubset(REASONS)
    assert (explain_reason("gave up: x"), describe_reason("gave up: x")) == (None, "gave up: x")
    assert describe_reason("replaced").startswith("replaced. Another WhatsApp Web")
