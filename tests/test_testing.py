"""The contract for handlers catches handlers that break it."""

from __future__ import annotations

from pathlib import Path

import pytest

from e3_event import DeliveryError, Event, EventHandler
from e3_event.handler_tools import attachments
from e3_event.testing import HandlerContract, Recorder


class ContractOf(HandlerContract):
    """The contract over a handler that writes the names it took into a file."""

    def __init__(self, handler: type[Named]) -> None:
        self.type = handler

    def make_handler(self, tmp_path: Path) -> EventHandler:
        return self.type(str(tmp_path / "names"))

    def received(self, handler: EventHandler, tmp_path: Path) -> list[str]:
        return (tmp_path / "names").read_text().splitlines()


class Named(EventHandler):
    """A handler that keeps the contract."""

    def __init__(self, path: str) -> None:
        self.path = path

    def send_event(self, event: Event) -> bool:
        with open(self.path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(
                f"{event['name']!r}\n" if not str(event["name"]).isprintable() else f"{event['name']}\n"
            )
        return True

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, str]:
        return {"path": config_str}

    def encode_config(self) -> str:
        return self.path


class Forgetful(Named):
    def send_event(self, event: Event) -> bool:
        return True


class Lying(Named):
    def send_event(self, event: Event) -> bool:
        super().send_event(event)
        return None  # type: ignore[return-value]


class StumblesOverAttachments(Named):
    def send_event(self, event: Event) -> bool:
        return not attachments(event) and super().send_event(event)


class NeedsItsAttachment(Named):
    def send_event(self, event: Event) -> bool:
        return "attachments_left_out" not in event.as_dict() and super().send_event(event)


class StumblesOverText(Named):
    def send_event(self, event: Event) -> bool:
        Path(self.path).with_name(str(event["uid"])).write_text("")
        return super().send_event(event)


class OnlyOnce(Named):
    closed = False

    def send_event(self, event: Event) -> bool:
        return not self.closed and super().send_event(event)

    def close(self) -> None:
        self.closed = True


class LosesItsConfiguration(Named):
    def encode_config(self) -> str:
        return "" if self.path.endswith("names") else self.path

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, str]:
        return {"path": config_str or "elsewhere"}


class NeedsWhatIsMissing(Named):
    requires = {"no_such_module_": "nothing"}  # noqa: RUF012


TESTS = [name for name in dir(HandlerContract) if name.startswith("test_")]


@pytest.mark.parametrize("test", TESTS)
def test_a_handler_that_keeps_it_passes(test: str, tmp_path: Path) -> None:
    getattr(ContractOf(Named), test)(tmp_path)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Forgetful, "test_an_event_arrives"),
        (Lying, "test_an_event_arrives"),
        (StumblesOverAttachments, "test_an_event_with_attachments_arrives"),
        (NeedsItsAttachment, "test_an_event_whose_attachment_is_gone_arrives"),
        (StumblesOverText, "test_hostile_content_arrives_or_is_rejected"),
        (OnlyOnce, "test_it_can_be_closed_twice_and_used_again"),
        (LosesItsConfiguration, "test_its_configuration_string_makes_an_equal_handler"),
        (NeedsWhatIsMissing, "test_what_it_requires_is_installed"),
    ],
)
def test_one_that_breaks_it_is_caught(broken: type[Named], test: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, FileNotFoundError)):
        getattr(ContractOf(broken), test)(tmp_path)


def test_what_has_to_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="HandlerContract has to define make_handler"):
        HandlerContract().make_handler(tmp_path)
    with pytest.raises(TypeError, match="HandlerContract has to define received"):
        HandlerContract().received(Recorder(), tmp_path)


def test_a_recorder_keeps_takes_and_fails_as_told() -> None:
    recorder = Recorder()
    recorder.failures = [False, OSError("no")]
    assert not recorder.send_event(Event("one"))
    with pytest.raises(OSError, match="no"):
        recorder.send_event(Event("two"))
    assert recorder.send_event(Event("three"))
    assert [event.name for event in recorder.events] == ["three"]


def test_a_bad_event_keeps_none_of_a_batch_back() -> None:
    recorder = Recorder()
    recorder.failures = [KeyError("foreign"), DeliveryError("ours")]
    answers = list(recorder.send_events([Event(name) for name in "abc"]))
    assert [type(answer) for answer in answers] == [KeyError, DeliveryError, bool]
    assert [event.name for event in recorder.events] == ["c"]
