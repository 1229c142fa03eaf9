"""A stand-in for Okta, for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.directories.fake_okta import FakeOkta, running_okta


@pytest.fixture
async def okta() -> AsyncIterator[FakeOkta]:
    """An Okta with nobody in it."""
    async with running_okta() as running:
        yield running
