"""All templates of `wa.templates`, and what a request renders from them.

A request may follow its template at once, and the two are in different topics. So a request is answered only by a
library that has read the topic up to its end at a time after the request: `render` raises `TemplatesBehind` before
that, and `catch_up` reads on, for a bounded time. Others can write to the topic: a record that is not a template
answers the requests for it with an error, and stops nothing.
"""

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable
from difflib import get_close_matches
from typing import Final, NamedTuple, Protocol, TypeAlias

from streams.contract.request.content import Content, TemplateContent
from streams.contract.request.form import Category
from streams.contract.template import InvalidTemplateRecord, decode, split_key
from streams.dispatch.templates.rendering import CompiledTemplate
from streams.domain.errors import Error
from streams.domain.templates import (
    InvalidTemplate,
    MissingParameter,
    canonical_language,
    choose_language,
)

log = logging.getLogger(__name__)

CATCH_UP_TIMEOUT_S: Final = 5.0
MAX_AGE_S: Final = 60.0  # of the last look at the topic: the broker's clock may be set back

_Language: TypeAlias = "CompiledTemplate | InvalidTemplate"


class TemplatesBehind(Exception):
    """The library must be brought up to date before it answers this request."""


class View(Protocol):
    """The topic in memory (streams/kafka/view.py)."""

    async def catch_up(self, timeout_s: float) -> bool:
        """Read up to the present end of the topic; False: it took longer."""
        ...


class TemplateRefused(Exception):
    """The request cannot be rendered, for this reason."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.code)
        self.error = error


class Rendered(NamedTuple):
    """The content of a message, its category (the template's, if this is stricter), and the template's key."""

    content: Content
    category: Category
    template: str


class TemplateLibrary:
    """The last record of each template, compiled. All in one event loop."""

    def __init__(
        self,
        passed_s: Callable[[], float],
        *,
        timeout_s: float = CATCH_UP_TIMEOUT_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`passed_s`: a time that has certainly passed by the broker's clock."""
        self._passed_s = passed_s
        self._timeout_s = timeout_s
        self._monotonic_s = monotonic_s
        self._current_until_s = 0.0  # a request that was appended until then may be answered
        self._caught_up_mono_s = -math.inf
        self._view: View | None = None
        self._is_up_to_date = True  # the last attempt to catch up succeeded
        self._lock = asyncio.Lock()
        # By name, then by language as its key has it.
        self._templates: defaultdict[str, dict[str, _Language]] = defaultdict(dict)

    # -- what the topic says

    def apply_record(self, key: bytes, value: bytes | None, append_s: float = 0.0) -> None:
        """Apply a record of `wa.templates`; one without a value removes the template."""
        name_and_language = split_key(key)
        if name_and_language is None:
            log.warning("a record of the templates has a key that is not name/language: ignored")
            return
        name, language = name_and_language
        if value is not None:
            self._templates[name][language] = _compile(key.decode(), value)
            return
        self._templates[name].pop(language, None)
        if not self._templates[name]:
            del self._templates[name]

    def follow(self, view: View) -> None:
        """This view brings the records from now on."""
        self._view = view

    async def catch_up(self, append_s: float) -> None:
        """Make the library current for a request that was appended at this time. If that takes too long, it answers
        from what it has.
        """
        async with self._lock:
            if self._is_current(append_s):
                return  # another request has waited for the same
            passed_s = self._passed_s()
            assert self._view is not None, "it follows no view"
            self._is_up_to_date = await self._view.catch_up(self._timeout_s)
            if not self._is_up_to_date:
                log.warning("the templates could not be read up to date in %g s", self._timeout_s)
                passed_s = 0.0
            self._current_until_s = max(append_s, passed_s)
            self._caught_up_mono_s = self._monotonic_s()

    def _is_current(self, append_s: float) -> bool:
        age_s = self._monotonic_s() - self._caught_up_mono_s
        return append_s <= self._current_until_s and age_s <= MAX_AGE_S

    # -- what a request renders

    def render(self, content: TemplateContent, category: Category, append_s: float) -> Rendered:
        """What becomes of a request for this template.

        Raises:
            TemplatesBehind: `catch_up` is needed first.
            TemplateRefused: there is no such template, it is not valid, or the parameters do not fit it.
        """
        if not self._is_current(append_s):
            raise TemplatesBehind
        language = self._find(content)
        try:
            if isinstance(language, InvalidTemplate):
                raise language
            rendered = language.render(content.params or {})
        except MissingParameter as error:
            raise _refuse("missing_parameter", f"content.params.{error}: is missing") from None
        except InvalidTemplate as error:
            detail = f"the template {content.name}: {error}"
            raise _refuse("invalid_template", detail) from None
        is_marketing = language.record.category == "marketing"
        return Rendered(rendered, "marketing" if is_marketing else category, language.record.key)

    def _find(self, content: TemplateContent) -> _Language:
        by_key = self._templates.get(content.name)
        if by_key is None:
            nearest = get_close_matches(content.name, sorted(self._templates), n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise self._refuse_unknown(f"content.name: there is no template {content.name}{hint}")
        # Of two spellings of one language, the first one counts.
        languages = {canonical_language(key): by_key[key] for key in sorted(by_key, reverse=True)}
        defaults = [
            name
            for name, language in languages.items()
            if isinstance(language, CompiledTemplate) and language.record.default
        ]
        chosen = choose_language(content.language, languages, defaults)
        if chosen is None:
            detail = (
                f"content.language: the template {content.name} has {', '.join(sorted(languages))}, and no "
                "default language"
            )
            raise self._refuse_unknown(detail)
        return languages[chosen]

    def _refuse_unknown(self, detail: str) -> TemplateRefused:
        stale = "" if self._is_up_to_date else "; wa.templates could not be read up to its end"
        return _refuse("unknown_template", f"{detail}{stale}")


def _compile(key: str, value: bytes) -> _Language:
    try:
        record = decode(value)
        if record.key != key:
            return InvalidTemplate(f"its record has the key {key}, and says {record.key}")
        return CompiledTemplate(record)
    except (InvalidTemplate, InvalidTemplateRecord) as error:
        log.warning("the template %s is not valid: %s", key, error)
        return InvalidTemplate(str(error))
    except Exception as error:
        log.exception("the template %s cannot be compiled", key)
        return InvalidTemplate(f"cannot be compiled ({type(error).__name__})")


def _refuse(code: str, detail: str) -> TemplateRefused:
    return TemplateRefused(Error(code, detail))
