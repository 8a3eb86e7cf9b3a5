"""Logging of workers: set up in one call, as text or JSON, without phone numbers and message texts.

Modules log with `logging.getLogger(__name__)` and know nothing of this package.
"""

from streams.logs.lines import read_message
from streams.logs.redaction import redact

__all__ = ["read_message", "redact"]
