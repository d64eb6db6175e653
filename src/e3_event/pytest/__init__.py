"""A plugin of pytest: a test session as an event, and its tests as events that are part of it.

Nothing is sent unless it is asked for, by `--e3-event NAME` or the setting `e3_event`; see `docs/pytest.md`.
"""

from e3_event_pytest import pytest_addoption, pytest_configure

__all__ = ["pytest_addoption", "pytest_configure"]
