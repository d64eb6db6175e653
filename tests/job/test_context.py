"""Where a command runs, of which commit and for which build, in the event of a real run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.command import COMMAND, DEADLINE, Events, e3_event
from cli.conftest import events
from e3_event.job._context import context

__all__ = ["events"]

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

ELSEWHERE = "1" * 40
IDENTITY = {
    f"GIT_{who}_{what}": "ci@example.net" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **IDENTITY},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "work")
    return folder


def in_gitlab(commit: str) -> dict[str, str]:
    return {"GITLAB_CI": "true", "CI_JOB_ID": "50", "CI_COMMIT_SHA": commit, "CI_COMMIT_BRANCH": "feature"}


def test_a_command_in_a_repository_has_its_commit_and_branch(events: Events, repository: Path) -> None:
    (repository / "src").mkdir()
    assert e3_event("run", "true", cwd=repository / "src").returncode == 0
    event = events.only()
    assert (event["git_commit"], event["git_branch"]) == (git(repository, "rev-parse", "HEAD"), "main")
    assert "ci" not in event


def test_the_commit_is_that_from_before_the_command(events: Events, repository: Path) -> None:
    before = git(repository, "rev-parse", "HEAD")
    e3_event("run", "git", "commit", "-q", "--allow-empty", "-m", "by the job", cwd=repository, env=IDENTITY)
    assert events.only()["git_commit"] == before != git(repository, "rev-parse", "HEAD")


def test_outside_of_a_repository_there_is_none(events: Events, tmp_path: Path) -> None:
    e3_event("run", "true", cwd=tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert events.only().keys().isdisjoint({"git_commit", "git_branch", "ci"})


def test_it_works_where_no_git_is_installed(events: Events, repository: Path) -> None:
    e3_event("run", "/bin/true", cwd=repository, PATH="/nowhere")
    assert events.only()["git_branch"] == "main"


def test_git_is_not_started(repository: Path, tmp_path: Path, events: Events) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "bin/git").chmod(0o755)
    e3_event("run", "true", cwd=repository, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    assert "git_commit" in events.only()
    assert not (tmp_path / "started").exists()


def test_a_ci_system_is_named_with_what_it_says(events: Events, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    e3_event("run", "true", cwd=repository, env=in_gitlab(commit), CI_JOB_TOKEN="hunter2")
    event = events.only()
    assert event["ci"] == {"system": "gitlab-ci", "job_id": "50", "commit": commit, "branch": "feature"}
    assert (event["git_commit"], event["git_branch"]) == (commit, "main")
    assert "hunter2" not in str(event)


def test_the_branch_of_a_detached_checkout_is_the_ci_systems(events: Events, repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    commit = git(repository, "rev-parse", "HEAD")
    e3_event("run", "true", cwd=repository, env=in_gitlab(commit))
    event = events.only()
    assert (event["git_commit"], event["git_branch"]) == (commit, "feature")


def test_the_branch_of_another_repository_is_not_the_ci_systems(events: Events, repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    e3_event("run", "true", cwd=repository, env=in_gitlab(ELSEWHERE))
    event = events.only()
    assert event["git_commit"] == git(repository, "rev-parse", "HEAD")
    assert "git_branch" not in event


def test_without_a_repository_the_ci_system_knows_them(events: Events, tmp_path: Path) -> None:
    e3_event(
        *("run", "true"), cwd=tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent), env=in_gitlab(ELSEWHERE)
    )
    event = events.only()
    assert (event["git_commit"], event["git_branch"]) == (ELSEWHERE, "feature")


@pytest.mark.parametrize("commit", ["HEAD", "refs/heads/main", "3f", "1" * 65])
def test_what_is_no_commit_is_not_taken_for_one(
    commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known = context({**in_gitlab(commit), "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
    assert known["ci"]["commit"] == commit
    assert "git_commit" not in known


def test_data_that_are_given_go_before_what_is_found(events: Events, repository: Path) -> None:
    e3_event(
        "run", "-d", "git_commit=r1234", "-d", "ci:=null", "true", cwd=repository, env=in_gitlab(ELSEWHERE)
    )
    event = events.only()
    assert (event["git_commit"], event["git_branch"], event["ci"]) == ("r1234", "main", None)


def test_a_deleted_folder_lies_in_no_repository(events: Events, repository: Path) -> None:
    (repository / "gone").mkdir()
    script = f"cd {repository}/gone && rmdir ../gone && {' '.join(COMMAND)} run /bin/true"
    subprocess.run(["sh", "-c", script], check=True, timeout=DEADLINE)
    assert events.only().keys().isdisjoint({"cwd", "git_commit", "git_branch"})


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert context({})["user"] == str(os.getuid())
