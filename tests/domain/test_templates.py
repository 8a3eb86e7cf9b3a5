"""Texts with placeholders: what they render, what is refused, and that neither takes long."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.templates import (
    MAX_CHARACTERS,
    MAX_FILTERS,
    MAX_TAGS,
    InvalidTemplate,
    MissingParameter,
    TemplateText,
    choose_language,
)

PARAMETERS = {"name": "ada", "n": 2, "price": 1.5}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("no placeholder {", "no placeholder {"),
        ("Hello {{ name }}!\n", "Hello ada!\n"),
        ("{{ name|upper }} {{ name | title }} {{ name|capitalize }}", "ADA Ada Ada"),
        ("{{ price }} for {{ n }}", "1.5 for 2"),
        ("{{ nick|default('friend') }} {{ nick|d(name) }}", "friend ada"),
        ("{% if n == 1 %}day{% elif n > 1 and name %}days{% else %}-{% endif %}", "days"),
        ("{{ name if name is defined else 'you' }}", "ada"),
        ("{% if nick is defined %}{{ nick }}{% endif %}", ""),
        ("{# a remark #}{% raw %}{{ name }}{% endraw %}", "{{ name }}"),
        ("<b>{{ '<&>' }}</b>", "<b><&></b>"),
    ],
)
def test_a_text_is_filled_in(text: str, rendered: str) -> None:
    """Nothing is escaped: it is not HTML."""
    assert TemplateText(text).render(PARAMETERS) == rendered


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{% for i in n %}x{% endfor %}", "loops"),
        ("{% include 'secret' %}", "includes"),
        ("{% extends 'secret' %}", "extends"),
        ("{% import 'a' as b %}", "imports"),
        ("{% from 'a' import b %}", "imports"),
        ("{% block a %}{% endblock %}", "blocks"),
        ("{% macro a() %}{% endmacro %}", "macros"),
        ("{% set a = 1 %}", "assignments"),
        ("{% filter upper %}a{% endfilter %}", "other tags"),
        ("{{ n * 1000000000 }}", "calculations"),
        ("{{ 9 ** 9 ** 9 }}", "calculations"),
        ("{{ name ~ name }}", "calculations"),
        ("{{ -n }}", "calculations"),
        ("{{ name.__class__ }}", "attributes"),
        ("{{ name['x'] }}", "items"),
        ("{{ name() }}", "calls"),
        ("{{ name|center(999999999) }}", "filter"),
        ("{{ name|trim('x') }}", "no arguments"),
        ("{{ name in name }}", "comparison"),
        ("{{ [name] }}", "other tags and values"),
        ("{{ self }}", "self"),
        ("{{ name", "line 1"),
        ("{% if name %}", "line 1"),
        ("{{ 1" + "0" * 5000 + " }}", "too large"),
        ("{{" + "(" * 20_000 + ")" * 20_000 + "}}", "nested"),
        ("{{ name" + "|upper" * 10_000 + "}}", "nested"),
        ("{% if name %}" * 90 + "{% endif %}" * 90, "nested"),
        ("{{ name }}" * (MAX_TAGS + 1), "placeholders"),
        ("{{" * 30_000, "placeholders"),
        ("{{ name|upper }}" * (MAX_FILTERS + 1), "filters"),
        ("a" * (MAX_CHARACTERS + 1), "characters"),
    ],
)
def test_what_could_cost_much_is_refused(text: str, problem: str) -> None:
    """Loops, includes and all that could grow, at once and when the text is compiled."""
    with pytest.raises(InvalidTemplate, match=problem):
        TemplateText(text)


def test_a_parameter_that_is_missing_is_named() -> None:
    """Also if it is compared, or changed by a filter."""
    for text in ("{{ who }}", "{{ who|upper }}", "{% if who == 1 %}{% endif %}", "{{ range }}"):
        with pytest.raises(MissingParameter) as raised:
            TemplateText(text).render(PARAMETERS)
        assert str(raised.value) in ("who", "range")


def test_an_overflow_is_an_error() -> None:
    """The result is not even built."""
    text = TemplateText("{{ a }}" * MAX_TAGS)
    with pytest.raises(InvalidTemplate, match="renders more than"):
        text.render({"a": "x" * 1000})
    assert len(text.render({"a": "x" * (MAX_CHARACTERS // MAX_TAGS)})) < MAX_CHARACTERS


def test_values_that_cannot_be_compared_are_an_error() -> None:
    """A text is not greater than a number."""
    with pytest.raises(InvalidTemplate, match="compares"):
        TemplateText("{% if name > 1 %}{% endif %}").render(PARAMETERS)


@pytest.mark.timeout(60)
def test_the_worst_text_takes_little_time() -> None:
    """As many filters as are allowed, on the longest values."""
    text = TemplateText(
        "{% if a|upper|lower|title|capitalize|trim == 1 %}{% endif %}" * (MAX_FILTERS // 5)
    )
    assert text.render({"a": "ß " * (MAX_CHARACTERS // 2)}) == ""


@given(
    st.text("{}%# |\"'ab1().\n", max_size=60), st.dictionaries(st.text("ab", min_size=1), st.text())
)
def test_any_text_gives_a_text_or_one_of_two_errors(text: str, parameters: dict[str, str]) -> None:
    """Nothing else is raised, so nothing can stop the stage that renders."""
    with contextlib.suppress(InvalidTemplate, MissingParameter):
        assert isinstance(TemplateText(text).render(parameters), str)


@pytest.mark.parametrize(
    ("language", "available", "defaults", "chosen"),
    [
        ("pt_BR", ["pt_br", "pt", "en"], ["en"], "pt_br"),
        ("pt-BR", ["pt", "en"], ["en"], "pt"),
        ("pt_BR", ["en", "es"], ["es"], "es"),
        ("zh-Hant-TW", ["zh_hant", "zh"], [], "zh_hant"),
        (None, ["en", "es"], ["es"], "es"),
        (None, ["en"], [], "en"),
        ("fr", ["en"], [], "en"),
        ("fr", ["en", "es"], [], None),
        (None, ["en", "es"], [], None),
        ("pt", ["pt_br", "en"], [], None),
        ("fr", ["en", "es"], ["en", "es"], "en"),
    ],
)
def test_the_language_falls_back(
    language: str | None, available: list[str], defaults: list[str], chosen: str | None
) -> None:
    """From `pt_BR` to `pt` to the default; a language that stands alone is the default."""
    assert choose_language(language, available, defaults) == chosen
