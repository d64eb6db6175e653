"""Handlers of other distributions take their arguments from the file as well, however they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.files import Write, load, problems
from e3_event.handler_tools import Secret

MODULE = """
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from e3_event import EventHandler
from e3_event.handler_tools import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from nowhere import Unknown


class Base(EventHandler):
    def send_event(self, event):
        return True


class Old(Base):
    def __init__(self, place, colour="red"):
        self.place, self.colour = place, colour


class Open(Base):
    def __init__(self, **options: int):
        self.options = options


class Rich(Base):
    def __init__(self, headers: Mapping[str, str | Secret], pair: tuple[int, ...] = (),
                 either: int | list[str] = 1):
        self.headers, self.pair, self.either = headers, pair, either


class Unclear(Base):
    def __init__(self, what: Unknown = None, *more):
        self.what = what


class Angry(Base):
    def __init__(self, token: Any):
        raise ValueError(f"hunter2 {token}")
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    points = "".join(
        f"{name.lower()} = foreign_handlers:{name}\n" for name in ("Old", "Open", "Rich", "Unclear", "Angry")
    )
    (info / "entry_points.txt").write_text(f"[e3.event.handler]\n{points}")
    (tmp_path / "foreign_handlers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def only(path: Path) -> Any:
    (handler,) = load(path).handlers.values()
    return handler.build()


def test_arguments_without_annotations_are_taken_as_they_are(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", "here")
    made = only(write('[handlers.old]\nplace = { env = "PLACE" }\ncolour = [1, { a = 2 }]\n'))
    assert (made.place, made.colour) == ("here", [1, {"a": 2}])


def test_a_handler_that_takes_anything_gets_all_of_the_right_type(write: Write) -> None:
    assert only(write("[handlers.open]\na = 1\nb = 2\n")).options == {"a": 1, "b": 2}
    assert problems(write('[handlers.open]\na = "x"\n')) == [
        'line 2: handlers.open.a: a whole number is needed, not "x"'
    ]


def test_secrets_may_stand_inside_tables(write: Write) -> None:
    path = write(
        '[handlers.rich]\nheaders = { a = "x", token = "hunter2", c = { env = "C" } }\npair = [1, 2]\n'
        'either = ["x"]\n'
    )
    made = only(path)
    assert made.headers["c"] == Secret(env="C")
    assert (made.pair, made.either) == ((1, 2), ["x"])
    shown = load(path).handlers["rich"].shown
    assert shown["headers"] == {"a": "[redacted]", "token": "[redacted]", "c": {"env": "C"}}
    assert shown["pair"] == [1, 2]
    (problem,) = problems(write("[handlers.rich]\nheaders = 5\n"))
    wanted = 'a table (of a text or { env = "NAME" } or { file = "PATH" }) is needed, not int'
    assert problem == f"line 2: handlers.rich.headers: {wanted}"


def test_annotations_that_are_not_understood_are_left_to_the_constructor(write: Write) -> None:
    assert only(write("[handlers.unclear]\nwhat = 3\n")).what == 3


def test_what_a_foreign_constructor_says_might_be_a_secret(write: Write) -> None:
    assert problems(write('[handlers.angry]\ntoken = "x"\n')) == [
        "line 1: handlers.angry: the configuration does not fit (ValueError)"
    ]
