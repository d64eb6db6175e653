"""The `logging` handler, on real loggers."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event import DeliveryError, Event, EventError, EventHandler, EventManager
from e3_event.handler.logging import LoggingHandler
from e3_event.testing import HandlerContract


class Sink(logging.Handler):
    """A logging handler that keeps its records."""

    def __init__(self, level: int = 0) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class FileSink(logging.FileHandler):
    terminator = "\0"


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A sink on the root logger, which lets everything pass."""
    sink = Sink()
    root = logging.getLogger()
    level = root.level
    root.setLevel(1)
    root.addHandler(sink)
    yield sink
    root.removeHandler(sink)
    root.setLevel(level)


class TestLoggingContract(HandlerContract):
    def make_handler(self, tmp_path: Path) -> EventHandler:
        logger = logging.getLogger(f"e3.contract.{tmp_path.name}")
        logger.setLevel(1)
        logger.propagate = False
        logger.addHandler(FileSink(tmp_path / "records", delay=True))
        return LoggingHandler(f"contract.{tmp_path.name}", 20)

    def received(self, handler: EventHandler, tmp_path: Path) -> list[str]:
        assert isinstance(handler, LoggingHandler)
        for file in handler.log.handlers:
            file.close()
        records = (tmp_path / "records").read_text().split("\0")[:-1]
        return [json.loads(record)["name"] for record in records]


def test_the_documented_record_is_logged(sink: Sink) -> None:
    event = Event("build", uid="u", branch="é")
    assert LoggingHandler("foo", 30).send_event(event)
    (record,) = sink.records
    assert (record.name, record.levelno) == ("e3.foo", 30)
    assert record.getMessage() == json.dumps(event.as_dict(), indent=2)


def test_the_defaults_are_those_documented(sink: Sink) -> None:
    handler = LoggingHandler()
    assert handler.send_event(Event("x"))
    assert (sink.records[0].name, sink.records[0].levelno) == ("e3.", 10)
    assert handler.encode_config() == ",10"


@pytest.mark.parametrize("name", ["myapp.events", "", "root"])
def test_any_logger_can_be_reached(sink: Sink, name: str) -> None:
    assert LoggingHandler(name, "warning", exact=True).send_event(Event("x"))
    assert sink.records[0].name == (name or "root")
    assert sink.records[0].levelno == logging.WARNING


def test_a_percent_sign_in_an_event_is_no_format(sink: Sink) -> None:
    assert LoggingHandler().send_event(Event("100%s %d"))
    assert json.loads(sink.records[0].getMessage())["name"] == "100%s %d"


def test_a_record_below_the_loggers_level_is_not_delivered(sink: Sink) -> None:
    logging.getLogger("e3.quiet").setLevel(40)
    with pytest.raises(DeliveryError, match=r"'e3\.quiet' lets nothing below 40 pass"):
        LoggingHandler("quiet", 10).send_event(Event("x"))
    assert sink.records == []


def test_a_record_that_a_filter_drops_is_not_delivered(sink: Sink) -> None:
    logger = logging.getLogger("e3.filtered")
    logger.addFilter(lambda record: False)
    with pytest.raises(DeliveryError, match="no logging handler took the record"):
        LoggingHandler("filtered", 30).send_event(Event("x"))
    assert sink.records == []


def test_a_filter_may_put_another_record_in_its_place(sink: Sink) -> None:
    """From Python 3.12 on; before, what a filter answers only counts as a yes."""
    other = logging.makeLogRecord({"name": "e3.other", "levelno": 30, "msg": "another"})
    logging.getLogger("e3.replaced").addFilter(
        lambda record: other  # type: ignore[arg-type,return-value,unused-ignore]
    )
    assert LoggingHandler("replaced", 30).send_event(Event("x"))
    replaced = sys.version_info >= (3, 12)
    assert (sink.records[0] is other) == replaced


def test_a_record_that_every_handler_is_too_high_for_is_not_delivered() -> None:
    logger = logging.getLogger("e3.high")
    logger.propagate = False
    logger.addHandler(Sink(level=50))
    logger.setLevel(1)
    with pytest.raises(DeliveryError, match="no logging handler"):
        LoggingHandler("high", 30).send_event(Event("x"))


def test_without_any_handler_the_last_resort_shows_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("e3.alone").propagate = False
    assert LoggingHandler("alone", 30).send_event(Event("shown"))
    assert '"name": "shown"' in capfd.readouterr().err


def test_a_logging_handler_that_sends_events_is_not_fed_by_its_own_log() -> None:
    manager = EventManager()
    manager.add_handler("logging", "loop", 30)

    class Feeder(Sink):
        def emit(self, record: logging.LogRecord) -> None:
            super().emit(record)
            if len(self.records) < 50:
                manager.send_event(Event("about a record"))

    feeder = Feeder()
    logging.getLogger("e3.loop").addHandler(feeder)
    assert manager.send_event(Event("first"))
    assert len(feeder.records) == 1
    assert manager.send_event(Event("second"))
    assert len(feeder.records) == 2


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("logging,10", {"logger_name": "logging", "level": 10}),
        ("a.b,INFO", {"logger_name": "a.b", "level": 20}),
        ("a,30,exact", {"logger_name": "a", "level": 30, "exact": True}),
        ("", {"logger_name": ""}),
        ("foo", {"logger_name": "foo"}),
    ],
)
def test_configuration_strings_are_read(config: str, expected: dict[str, object]) -> None:
    assert LoggingHandler.decode_config(config) == expected


@pytest.mark.parametrize(
    ("config", "said"),
    [("a,b,c,d", "`name,level`"), ("a,10,exactly", "`name,level,exact`"), ("a,LOUD", "not 'LOUD'")],
)
def test_a_wrong_configuration_is_refused_with_what_is_right(config: str, said: str) -> None:
    with pytest.raises(EventError, match=said):
        LoggingHandler.decode_config(config)


@given(st.text(), st.integers(0, 60), st.booleans())
def test_any_configuration_survives_its_string(name: str, level: int, exact: bool) -> None:
    handler = LoggingHandler(name, level, exact)
    again = LoggingHandler(**LoggingHandler.decode_config(handler.encode_config()))
    assert (again.logger_name, again.level, again.exact) == (name, level, exact)
