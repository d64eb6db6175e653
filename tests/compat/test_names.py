"""Which `e3.event` a program gets: ours where e3-core is absent, e3-core's where it is installed."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import sys
from pathlib import Path

import pytest

from compat.comparison import PROGRAMS, observe
from compat.environments import OTHER_PYTHONS, ROOT, MissingError, other_python
from compat.fresh import Fresh

OURS = """
import sys
{first}
import e3.event, e3_event
assert e3.event is e3_event, e3.event
from e3 import event
assert event is e3_event
from e3.event import Event, default_manager
assert Event is e3_event.Event and default_manager is e3_event.default_manager
import e3.event.handler.file
from e3.event.handler.logging import LoggingHandler
from e3.event.handler.smtp import SMTPHandler
import e3.event.handler.s3
for name in ("file", "logging", "smtp", "s3"):
    module = sys.modules["e3.event.handler." + name]
    assert module is sys.modules["e3_event.handler." + name]
    assert module.__spec__.name == "e3_event.handler." + name
assert e3.event.handler is e3_event.handler and e3.event.handler.smtp.SMTPHandler is SMTPHandler
assert e3.event.EventManager().get_handler("file") is e3.event.handler.file.FileHandler
import e3.error
assert e3.error.E3Error is e3_event.E3Error and issubclass(e3_event.EventError, e3.error.E3Error)
try:
    import e3.event.nothing
except ModuleNotFoundError as error:
    assert error.name == "e3.event.nothing"
else:
    raise AssertionError("found")
"""

E3_CORE = """
import os, sys
{first}
import e3.event, e3.event.handler.file, e3.error, e3.log, e3_event
from e3.event.handler.smtp import SMTPHandler
assert e3.event is not e3_event and e3.event.Event is not e3_event.Event
assert e3.event.__file__.endswith(os.path.join("e3", "event", "__init__.py")), e3.event.__file__
assert e3.event.handler.file.__file__.endswith(os.path.join("e3", "event", "handler", "file.py"))
assert SMTPHandler.__module__ == "e3.event.handler.smtp"
assert sys.modules["e3"].event is e3.event
e3.event.add_handler("file", "unused")
assert type(e3.event.default_manager.handlers["file"]) is e3.event.handler.file.FileHandler
assert not e3_event.default_manager.handlers
assert e3_event.E3Error is e3.error.E3Error and e3_event.E3Error.__module__ == "e3.error"
try:
    raise e3_event.EventError("a", "here")
except e3.error.E3Error as error:
    assert (str(error), error.messages, error.origin) == ("here: a\\n", ["a"], "here")
try:
    raise e3_event.DeliveryError(["a", "b"], retry_after=2.5)
except e3.error.E3Error as error:
    error += "c"
    assert (str(error), error.messages, error.retry_after) == ("c", ["a", "b", "c"], 2.5)
"""

INSTALL = "import e3_event.compat; e3_event.compat.install()"
BOTH_LOADED_BEFORE = "import e3.event, e3.event.handler.file as theirs, e3.event.handler.smtp\n" + INSTALL
E3_CORE_WHEEL = "e3-core==22.10.0"


@pytest.fixture(params=["wheel", "editable"])
def ours(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """How this project is installed: arguments for the installer."""
    if request.param == "editable":
        return ("-e", str(ROOT))
    return (str(request.getfixturevalue("built_wheel")),)


@pytest.fixture
def fresh(tmp_path: Path, wheelhouse: Path) -> Fresh:
    return Fresh(tmp_path / "env", wheelhouse)


def damaged(packages: Path, distribution: str) -> list[str]:
    """The files of an installed distribution that are not what its RECORD says."""
    record = next(packages.glob(f"{distribution}-*.dist-info/RECORD"))
    wrong = []
    for name, digest, _ in csv.reader(record.read_text().splitlines()):
        if digest:
            kind, _, expected = digest.partition("=")
            file = packages / name
            found = hashlib.new(kind, file.read_bytes()).digest() if file.is_file() else b""
            if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != expected:
                wrong.append(name)
    return wrong


def test_without_e3_core_the_documented_names_are_ours(fresh: Fresh, ours: tuple[str, ...]) -> None:
    fresh.install(*ours)
    submodules = "from e3.event.handler.smtp import SMTPHandler; import e3.event.handler.file"
    for first in ("", "import e3_event", "import e3_event.compat, e3.error", INSTALL, submodules):
        fresh.run(OURS.format(first=first))


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "e3-core first"])
def test_beside_e3_core_nothing_changes_until_install(
    fresh: Fresh, ours: tuple[str, ...], ours_first: bool
) -> None:
    for what in (ours, (E3_CORE_WHEEL,)) if ours_first else ((E3_CORE_WHEEL,), ours):
        fresh.install(*what)
    assert damaged(fresh.packages, "e3_core") == []
    for first in ("", "import e3_event", "import e3_event.compat", "import e3.event.handler.file"):
        fresh.run(E3_CORE.format(first=first))
    for first in (INSTALL, f"import e3.event, e3.log\n{INSTALL}", BOTH_LOADED_BEFORE):
        fresh.run(OURS.format(first=first))
    kept = "assert theirs.FileHandler.__module__ == 'e3.event.handler.file' and theirs.FileHandler is not"
    fresh.run(f"{BOTH_LOADED_BEFORE}\nimport e3.event.handler.file\n{kept} e3.event.handler.file.FileHandler")
    fresh.run(
        f"{INSTALL}\n{INSTALL}\nimport e3.fs, e3.os.process, e3.event, e3_event; assert e3.event is e3_event"
    )


def test_nothing_changes_when_ours_stands_earlier_on_the_path(
    fresh: Fresh, built_wheel: Path, tmp_path: Path
) -> None:
    fresh.install(E3_CORE_WHEEL, str(built_wheel))
    fresh.uninstall("e3-event")
    fresh.install("--no-deps", "--target", str(tmp_path / "earlier"), str(built_wheel))
    for earlier in (tmp_path / "earlier", ROOT / "src"):
        for first in ("", "import e3_event.compat", "from e3.event.handler.file import FileHandler"):
            code = f"assert sys.path[1] == {str(earlier)!r}\n{first}"
            fresh.run(E3_CORE.format(first=code), PYTHONPATH=str(earlier))
        fresh.run(OURS.format(first=INSTALL), PYTHONPATH=str(earlier))
        fresh.run(OURS.format(first=BOTH_LOADED_BEFORE), PYTHONPATH=str(earlier))


def test_nothing_changes_when_ours_is_in_the_user_site(
    tmp_path: Path, wheelhouse: Path, built_wheel: Path
) -> None:
    """e3-core lies in a folder that comes later, as the system's packages do."""
    fresh = Fresh(tmp_path / "env", wheelhouse, options=["--system-site-packages"])
    user, system = tmp_path / "user", tmp_path / "system"
    packages = user / "lib" / fresh.packages.parent.name / "site-packages"
    fresh.install("--target", str(packages), str(built_wheel))
    fresh.install("--target", str(system), E3_CORE_WHEEL)
    (packages / "system.pth").write_text(f"{system}\n")
    before = f"assert sys.path.index({str(packages)!r}) < sys.path.index({str(system)!r})"
    fresh.run(E3_CORE.format(first=before), PYTHONUSERBASE=str(user))
    fresh.run(OURS.format(first=INSTALL), PYTHONUSERBASE=str(user))


def test_uninstalling_either_leaves_the_other(fresh: Fresh, built_wheel: Path) -> None:
    fresh.install(E3_CORE_WHEEL)
    files = sorted(path for path in fresh.packages.glob("e3/**/*.py"))
    fresh.install(str(built_wheel))
    assert set(fresh.packages.glob("e3/**/*.py")) - set(files) == {fresh.packages / "e3" / "event.py"}
    fresh.uninstall("e3-event")
    assert sorted(fresh.packages.glob("e3/**/*.py")) == files
    assert damaged(fresh.packages, "e3_core") == []
    fresh.run("import e3.event, e3.event.handler.file; e3.event.add_handler('file', 'unused')")
    fresh.install(str(built_wheel))
    fresh.uninstall("e3-core")
    assert damaged(fresh.packages, "e3_event") == []
    fresh.run(OURS.format(first=""))


def test_programs_see_beside_e3_core_what_they_see_without(
    fresh: Fresh, built_wheel: Path, tmp_path: Path
) -> None:
    """Only what concerns the base error differs, as it is e3-core's then."""
    fresh.install(E3_CORE_WHEEL, str(built_wheel))
    taken_over = f"{INSTALL}\nimport runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
    launcher = tmp_path / "launcher.py"
    launcher.write_text(taken_over)
    for name in ("errors", "event_data", "lifecycle", "attachments", "dumps", "manager", "handler_file"):
        program = PROGRAMS / f"{name}.py"
        alone = observe(sys.executable, program)
        beside = observe(fresh.python, launcher, str(program))
        differing = {key for key in alone if alone[key] != beside.get(key)} | (set(beside) - set(alone))
        assert differing == ({"without arguments"} if name == "errors" else set()), name


def test_e3_core_behaves_as_ever_beside_ours(fresh: Fresh, built_wheel: Path, e3_core: Path) -> None:
    fresh.install(E3_CORE_WHEEL, str(built_wheel))
    for name in ("interface", "manager", "environment"):
        program = PROGRAMS / f"{name}.py"
        assert observe(fresh.python, program) == observe(e3_core, program), name


@pytest.mark.parametrize("version", OTHER_PYTHONS)
def test_names_with_another_python(version: str, tmp_path: Path, wheelhouse: Path, built_wheel: Path) -> None:
    try:
        python = other_python(version)
    except MissingError as error:
        pytest.skip(str(error))
    fresh = Fresh(tmp_path / "env", wheelhouse, python)
    fresh.install(str(built_wheel))
    assert fresh.run("import sys; print(*sys.version_info[:2], sep='.')").strip() == version
    fresh.run(OURS.format(first=""))
    fresh.install(E3_CORE_WHEEL)
    fresh.run(E3_CORE.format(first=""))
    fresh.run(OURS.format(first=INSTALL))


def test_the_wheel_holds_the_package_the_documented_module_and_what_pytest_loads(built_wheel: Path) -> None:
    import zipfile

    with zipfile.ZipFile(built_wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == expected
    beside = {name for name in names if not name.startswith("e3_event/")}
    assert beside == {"e3/event.py", "e3_event_pytest.py"}
    assert "e3_event/py.typed" in names


def test_nothing_is_registered_in_the_documented_group(built_wheel: Path) -> None:
    """A second `file` there would break e3-core's own loader."""
    import configparser
    import zipfile

    with zipfile.ZipFile(built_wheel) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        text = wheel.read(name).decode()
    entry_points = configparser.ConfigParser(delimiters="=")
    entry_points.read_string(text)
    assert sorted(entry_points.sections()) == ["console_scripts", "e3_event.handler", "pytest11"]
    assert (
        json.dumps(sorted(entry_points["e3_event.handler"])) == '["file", "logging", "s3", "smtp", "spool"]'
    )
