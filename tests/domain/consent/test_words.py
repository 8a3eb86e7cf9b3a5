"""Opt-out and opt-in words: what is one, and what is not."""

# ruff: noqa: RUF001 - the words are in the scripts of their languages

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.consent.words import (
    DEFAULT_OPT_IN_WORDS,
    DEFAULT_OPT_OUT_WORDS,
    find_change,
    normalize,
    normalize_all,
)

OUT, IN = normalize_all(DEFAULT_OPT_OUT_WORDS), normalize_all(DEFAULT_OPT_IN_WORDS)


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop",
        " Stop.\n",
        "STOP!!!",
        '"STOP"',
        "ＳＴＯＰ",  # full-width letters
        "\u200eSTOP\u200f",  # direction marks
        "S\u200bTOP",  # a space without width
        "Stop  all",
        "opt-out",
        "Arrêt",
        "arre\u0302t",  # with a combining accent
        "¡Alto!",
        "стоп.",
        "توقف",
        "إلغاء الاشتراك",
        "रोकें।",
        "停止。",
        "退订",
        "iptal",
        "IPTAL",
        "İptal",
        "Stopp",
        "BERHENTI",
    ],
)
def test_a_word_opts_out(text: str) -> None:
    """Case, space, invisible marks and punctuation around it do not matter, in any script."""
    assert find_change(text, OUT, IN) == "opted_out"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        ".",
        "🛑",
        "please stop calling me",
        "stop it",
        "the bus stop",
        "nonstop",
        "st op",
        "yes",
        "stop" + " " * 100,  # longer than a text that can be a word
    ],
)
def test_anything_else_is_no_word(text: str | None) -> None:
    """A word in a longer text says nothing about consent."""
    assert find_change(text, OUT, IN) is None


def test_a_word_opts_in() -> None:
    """The same rules hold for it."""
    assert find_change("start.", OUT, IN) == "opted_in"


def test_no_default_word_is_in_both_lists() -> None:
    """Each word means one thing, and none is empty."""
    assert not OUT & IN
    assert all(map(normalize, (*DEFAULT_OPT_OUT_WORDS, *DEFAULT_OPT_IN_WORDS)))


@given(
    st.sampled_from(sorted(DEFAULT_OPT_OUT_WORDS)),
    st.text(" \t\n.!?\u200b", max_size=5),
    st.text(" \t\n.!?\u200b", max_size=5),
    st.booleans(),
)
def test_what_is_around_a_word_does_not_matter(
    word: str, before: str, after: str, is_lower: bool
) -> None:
    """Also in lower case."""
    assert (
        find_change(before + (word.lower() if is_lower else word) + after, OUT, IN) == "opted_out"
    )


@given(st.text(max_size=40))
def test_normalizing_is_total_and_stable(text: str) -> None:
    """Any text gives a text that stays as it is."""
    assert normalize(normalize(text)) == normalize(text)


@given(st.text(string.ascii_lowercase + " ", min_size=1, max_size=12))
def test_a_text_of_letters_is_compared_as_a_whole(text: str) -> None:
    """The naive model: lower case, single spaces, equal to a word."""
    is_word = " ".join(text.split()) in {word.lower() for word in DEFAULT_OPT_OUT_WORDS}
    assert (find_change(text, OUT, IN) == "opted_out") == is_word
