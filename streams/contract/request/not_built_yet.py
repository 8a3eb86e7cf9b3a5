"""What the contract contains and this version does not do: it is recognised, and refused with a clear detail.

This is the only place that knows it. To enable a feature, remove its line: parsing and the published schemas
follow this table.

A refusal is not a promise: what is refused by this version may be accepted by the next one.
"""

from typing import Final

from streams.contract.errors import InvalidCode, InvalidRequest
from streams.contract.request.content import MEDIA_CLASSES, Content

UNSUPPORTED_FEATURES: Final[dict[str, InvalidCode]] = {
    "url": "schema_violation",
}


def refuse_content(content: Content) -> None:
    """Raises InvalidRequest if this content is not supported yet."""
    if isinstance(content, MEDIA_CLASSES) and content.url is not None:
        _refuse_if_unsupported("url", "content.url", "a file by its URL")


def _refuse_if_unsupported(feature: str, field: str, description: str) -> None:
    if feature in UNSUPPORTED_FEATURES:
        raise InvalidRequest(
            UNSUPPORTED_FEATURES[feature],
            f"{field}: {description} is not supported by this version yet",
        )
