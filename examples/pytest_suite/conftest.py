"""The settings of the service that the tests of this folder start."""

import pytest


@pytest.fixture(scope="session")
def wa_streams_settings() -> dict[str, str]:
    """A limit that a test can reach."""
    return {"WA_RATE_LIMIT_PER_MINUTE": "1"}
