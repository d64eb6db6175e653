"""Where the spool lies: in the state folder if it can, else in /var/tmp, and never in somebody else's."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import platformdirs
import pytest

from e3_event import EventError
from e3_event._config import _place
from e3_event._config._folders import user_folder
from e3_event._config._place import open_spool, usual_place
from e3_event._errors import SpoolError
from e3_event.spool import _place as fitness

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
STRANGER = 12345


@pytest.fixture
def fallback() -> Path:
    return Path(_place.FALLBACK) / f"e3-event-{os.geteuid()}"


@pytest.fixture
def usual(private_environment: Path) -> Path:
    return private_environment / ".local/state/e3-event/spool"


@pytest.fixture(params=["unset", "set", "empty"])
def base(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base folders as the environment names them, or does not."""
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        if request.param != "unset":
            monkeypatch.setenv(variable, str(tmp_path) if request.param == "set" else "")


@pytest.mark.usefixtures("base")
def test_the_folders_are_those_that_platformdirs_says() -> None:
    assert user_folder("state") == str(platformdirs.user_state_path("e3-event"))
    assert user_folder("config") == str(platformdirs.user_config_path("e3-event"))


def test_it_lies_in_the_state_folder_and_is_the_users_alone(usual: Path) -> None:
    assert usual_place() == str(usual)
    assert stat.S_IMODE(usual.stat().st_mode) == 0o700


@pytest.mark.parametrize("obstacle", [".local", ".local/state/e3-event"])
def test_where_that_can_not_be_made_it_lies_in_var_tmp(
    obstacle: str, private_environment: Path, fallback: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = private_environment / obstacle
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert usual_place() == str(fallback)
    assert stat.S_IMODE(fallback.stat().st_mode) == 0o700
    assert caplog.records == []


def test_a_folder_that_can_not_be_written_is_no_place(
    usual: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual.mkdir(parents=True)
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(usual) and allowed(path, mode))
    assert usual_place() == str(fallback)


def test_a_home_on_a_network_file_system_is_no_place(
    usual: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fitness, "file_system", lambda path: "nfs4" if path == str(usual) else "ext4")
    assert usual_place() == str(fallback)
    assert caplog.records == []


def test_what_others_could_change_is_no_place_which_is_told(
    usual: Path, fallback: Path, caplog: pytest.LogCaptureFixture
) -> None:
    usual.mkdir(parents=True)
    usual.chmod(0o777)
    assert usual_place() == str(fallback)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"{usual}: others can write into it")
    assert record.getMessage().endswith(f"; events are kept in {fallback}")


@needs_root
def test_the_spool_of_another_user_is_no_place_which_is_told(
    usual: Path, fallback: Path, caplog: pytest.LogCaptureFixture
) -> None:
    usual.mkdir(parents=True)
    os.chown(usual, STRANGER, -1)
    assert usual_place() == str(fallback)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{usual}: belongs to user {STRANGER}, not to 0; a spool has one owner; events are kept in {fallback}"
    )


@needs_root
def test_root_makes_no_folder_in_the_home_of_another_user(private_environment: Path, fallback: Path) -> None:
    os.chown(private_environment, STRANGER, -1)
    assert usual_place() == str(fallback)
    assert list(private_environment.iterdir()) == []


@pytest.mark.parametrize("what", ["a link", "a file", "of all"])
def test_what_lies_in_var_tmp_in_its_place_is_never_used(
    what: str, private_environment: Path, fallback: Path, tmp_path: Path
) -> None:
    (private_environment / ".local").touch()
    if what == "a link":
        fallback.symlink_to(tmp_path)
    elif what == "a file":
        fallback.touch()
    else:
        fallback.mkdir()
        fallback.chmod(0o777)
    with pytest.raises(SpoolError, match=rf"no folder can take events: .*/\.local.*; {fallback}: "):
        usual_place()
    assert list(tmp_path.iterdir()) == []


@needs_root
def test_what_another_user_has_put_into_var_tmp_is_never_used(
    private_environment: Path, fallback: Path
) -> None:
    (private_environment / ".local").touch()
    fallback.mkdir(0o700)
    os.chown(fallback, STRANGER, -1)
    with pytest.raises(SpoolError, match=f"{fallback}: belongs to user {STRANGER}"):
        usual_place()


def test_elsewhere_than_on_posix_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "geteuid")
    with pytest.raises(SpoolError, match="it needs a POSIX system"):
        usual_place()


class TestOpening:
    def test_it_is_the_usual_one(self, usual: Path) -> None:
        spool = open_spool()
        spool.close()
        assert spool.path == str(usual)

    def test_it_is_the_one_of_the_file_with_its_size(self, tmp_path: Path) -> None:
        file = tmp_path / "c.toml"
        file.write_text(f'[spool]\npath = "{tmp_path}/spool"\nmax_size = "5MiB"\nretention = "1d"\n')
        spool = open_spool(str(file))
        spool.close()
        assert (spool.path, spool.max_size, spool.retention) == (f"{tmp_path}/spool", 5 << 20, 86400)

    def test_one_that_the_variable_names_goes_first_with_the_size_of_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "c.toml"
        file.write_text(f'[spool]\npath = "{tmp_path}/spool"\nmax_size = "5MiB"\n')
        monkeypatch.setenv("E3_EVENT_HANDLERS", f"nonsense=1|spool={tmp_path}/named")
        spool = open_spool(str(file))
        spool.close()
        assert (spool.path, spool.max_size) == (f"{tmp_path}/named", 5 << 20)
        other = open_spool(str(file), variable=False)
        other.close()
        assert other.path == f"{tmp_path}/spool"

    def test_where_there_is_none_that_is_an_error(self, tmp_path: Path) -> None:
        file = tmp_path / "c.toml"
        file.write_text('spool = "none"\n')
        with pytest.raises(EventError, match="there is no spool: the configuration says"):
            open_spool(str(file))

    def test_one_that_is_named_and_can_not_be_made_is_not_replaced(self, tmp_path: Path) -> None:
        file = tmp_path / "c.toml"
        file.write_text(f'spool.path = "{file}/spool"\n')
        with pytest.raises(SpoolError, match="the spool can't be made: Not a directory"):
            open_spool(str(file))
