"""Logging of workers: set up in one call, as text or JSON, without phone numbers and message texts.

Modules log with `logging.getLogger(__name__)` and know nothing of this package.
"""

from streams.logs.redaction import redact
from streams.logs.rendering import read_message

__all__ = ["read_message", "redact"]
