"""The commit and the branch of a folder are those that git itself names, and hostile files do no harm."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from e3_event.job._git import _REF, head_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

NOTHING = ("", "")
SHA1, SHA256 = 40, 64
#: For anything that may block: a hang is a failure.
DEADLINE = 30.0


@pytest.fixture(autouse=True)
def private_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Git as it comes, whoever runs the tests and wherever."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A. U. Thor")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "author@example.net")


def git(folder: Path, *arguments: str, **variables: str) -> str:
    """Run git in a folder; what it prints, empty if it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, check=False, env={**os.environ, **variables}
    )
    return os.fsdecode(done.stdout).strip() if done.returncode == 0 else ""


def must(folder: Path, *arguments: str, stdin: bytes = b"") -> None:
    subprocess.run(["git", *arguments], cwd=folder, input=stdin, capture_output=True, check=True)


def said_by_git(folder: Path, **variables: str) -> tuple[str, str]:
    commit = git(folder, "rev-parse", "--verify", "-q", "HEAD", **variables)
    return commit, git(folder, "branch", "--show-current", **variables)


def ours(folder: Path, **variables: str) -> tuple[str, str] | None:
    return head_of(os.path.realpath(folder), {**os.environ, **variables})


def commit(folder: Path, message: str = "work") -> None:
    must(folder, "commit", "-q", "--allow-empty", "-m", message)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits on the branch `main`."""
    folder = tmp_path / "repository"
    folder.mkdir()
    must(folder, "init", "-q", "-b", "main")
    commit(folder)
    commit(folder)
    return folder


def test_a_folder_in_no_repository_has_neither(tmp_path: Path) -> None:
    assert ours(tmp_path) is None


def test_before_the_first_commit_the_branch_is_known(tmp_path: Path) -> None:
    must(tmp_path, "init", "-q", "-b", "trunk")
    assert ours(tmp_path) == said_by_git(tmp_path) == ("", "trunk")


def test_a_repository_and_the_folders_in_it_are_at_a_commit_of_a_branch(repository: Path) -> None:
    deep = repository / "a/b"
    deep.mkdir(parents=True)
    found = ours(repository)
    assert found == ours(deep) == said_by_git(deep)
    assert found is not None
    assert (len(found[0]), found[1]) == (SHA1, "main")


@pytest.mark.parametrize("name", ["fix/a/b", "größe", "a.b-c_d+e", "x" * 200])
@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_branches_of_any_name(name: str, packed: bool, repository: Path) -> None:
    must(repository, "checkout", "-q", "-b", name)
    if packed:
        must(repository, "pack-refs", "--all")
        assert not (repository / ".git/refs/heads" / name).exists()
    found = ours(repository)
    assert found == said_by_git(repository)
    assert found is not None
    assert found[1] == name


def test_a_name_that_is_no_utf8_is_shown_as_its_code(repository: Path) -> None:
    must(repository, "checkout", "-q", "-b", os.fsdecode(b"caf\xe9"))
    found = ours(repository)
    assert found is not None
    assert found == (said_by_git(repository)[0], "caf\\xe9")


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    must(repository, "checkout", "-q", "--detach", "HEAD~1")
    found = ours(repository)
    assert found == said_by_git(repository)
    assert found is not None
    assert (len(found[0]), found[1]) == (SHA1, "")


def test_ids_of_sha256(tmp_path: Path) -> None:
    must(tmp_path, "init", "-q", "-b", "main", "--object-format=sha256")
    commit(tmp_path)
    for command in (["status"], ["pack-refs", "--all"], ["checkout", "-q", "--detach"]):
        must(tmp_path, *command)
        found = ours(tmp_path)
        assert found == said_by_git(tmp_path)
        assert found is not None
        assert len(found[0]) == SHA256


def test_a_loose_ref_goes_before_a_packed_one(repository: Path) -> None:
    must(repository, "pack-refs", "--all")
    commit(repository)
    assert ours(repository) == said_by_git(repository)


def test_an_empty_folder_of_old_refs_hides_no_packed_one(repository: Path) -> None:
    must(repository, "pack-refs", "--all")
    (repository / ".git/refs/heads/main").mkdir()
    found = ours(repository)
    assert found == said_by_git(repository)
    assert found is not None
    assert found[0]


def test_every_one_of_many_packed_refs_is_found(repository: Path) -> None:
    """Their lines lie across the borders of what is read at once, too."""
    (first, _) = said_by_git(repository)
    must(repository, "checkout", "-q", "--detach")
    count = 3000
    lines = "".join(f"create refs/heads/b{n:05} {first}\n" for n in range(count))
    must(repository, "update-ref", "--stdin", stdin=lines.encode())
    must(repository, "pack-refs", "--all")
    packed = (repository / ".git/packed-refs").stat().st_size
    assert packed > 2 * (1 << 16)
    for n in range(count):
        (repository / ".git/HEAD").write_text(f"ref: refs/heads/b{n:05}\n")
        assert ours(repository) == (first, f"b{n:05}")
    (repository / ".git/HEAD").write_text("ref: refs/heads/b0\n")
    assert ours(repository) == said_by_git(repository) == ("", "b0")


def test_a_worktree_has_a_head_of_its_own(repository: Path, tmp_path: Path) -> None:
    must(repository, "worktree", "add", "-q", "-b", "other", "../worktree")
    commit(tmp_path / "worktree")
    for _ in range(2):
        found = ours(tmp_path / "worktree")
        assert found == said_by_git(tmp_path / "worktree")
        assert found is not None
        assert found[1] == "other"
        assert found != ours(repository)
        must(repository, "pack-refs", "--all")


def test_a_worktree_that_is_bisected_has_refs_of_its_own(repository: Path, tmp_path: Path) -> None:
    must(repository, "worktree", "add", "-q", "--detach", "../worktree")
    worktree = tmp_path / "worktree"
    must(worktree, "update-ref", "refs/bisect/here", "HEAD~1")
    must(worktree, "symbolic-ref", "HEAD", "refs/bisect/here")
    found = ours(worktree)
    assert found == said_by_git(worktree)
    assert found is not None
    assert (len(found[0]), found[1]) == (SHA1, "")


def test_a_submodule_is_a_repository_of_its_own(repository: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.mkdir()
    must(part, "init", "-q", "-b", "parts")
    commit(part, "of the part")
    must(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(part), "part")
    assert (repository / "part/.git").is_file()
    found = ours(repository / "part")
    assert found == said_by_git(part)
    assert found is not None
    assert found[1] == "parts"


def test_a_bare_repository_and_the_inside_of_one(repository: Path, tmp_path: Path) -> None:
    must(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    for inside in (tmp_path / "bare.git", tmp_path / "bare.git/refs/heads", repository / ".git/objects"):
        assert ours(inside) == said_by_git(inside) == said_by_git(repository)


def test_a_repository_in_a_folder_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    must(tmp_path / "tree", "init", "-q", "-b", "main", f"--separate-git-dir={tmp_path}/elsewhere")
    commit(tmp_path / "tree")
    assert (tmp_path / "tree/.git").is_file()
    assert ours(tmp_path / "tree") == said_by_git(tmp_path / "tree")


@pytest.mark.parametrize("place", ["{}/.git", "../repository/.git", "{}/file"])
def test_the_variable_names_the_repository(place: str, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (repository / "file").write_text("gitdir: .git\n")
    git_dir = place.format(repository)
    found = ours(tmp_path / "empty", GIT_DIR=git_dir)
    assert found == said_by_git(tmp_path / "empty", GIT_DIR=git_dir) == said_by_git(repository)
    assert found != NOTHING


def test_the_variable_goes_before_the_repository_of_the_folder(repository: Path, tmp_path: Path) -> None:
    assert ours(repository, GIT_DIR=str(tmp_path / "none")) == NOTHING
    assert said_by_git(repository, GIT_DIR=str(tmp_path / "none")) == NOTHING


@pytest.mark.parametrize(
    ("ceilings", "seen"),
    [
        ("{0}", False),
        ("{0}/a", False),
        ("{0}/", False),
        ("/nowhere:{0}", False),
        ("{0}/link", False),
        ("{0}/a/b", True),  # the folder itself is never left out
        ("{1}", True),
        ("a:.", True),
        (":{0}/link", True),  # behind an empty entry no link is followed
        (":{0}", False),
        ("/nowhere::{0}/a", False),
        ("", True),
    ],
)
def test_ceilings_are_those_of_git(ceilings: str, seen: bool, repository: Path) -> None:
    deep = repository / "a/b"
    deep.mkdir(parents=True)
    (repository / "link").symlink_to("a")
    ceiling = ceilings.format(os.path.realpath(repository), os.path.realpath(repository.parent))
    found = ours(deep, GIT_CEILING_DIRECTORIES=ceiling)
    assert said_by_git(deep, GIT_CEILING_DIRECTORIES=ceiling) == (found or NOTHING)
    assert (found is not None) is seen


def test_the_search_ends_at_the_border_of_the_file_system(repository: Path) -> None:
    script = (
        "mount -t tmpfs none mounted && cd mounted && "
        f'{sys.executable} -c "import os; from e3_event.job._git import head_of; '
        'print(head_of(os.getcwd(), os.environ))"'
    )
    (repository / "mounted").mkdir()
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script]
    for variables, expected in (({}, "None"), ({"GIT_DISCOVERY_ACROSS_FILESYSTEM": "1"}, "main")):
        done = subprocess.run(
            command,
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **variables},
        )
        if "unshare" in done.stderr or "mount:" in done.stderr:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        assert expected in done.stdout, done.stderr


def test_a_branch_that_stands_for_another_one(repository: Path) -> None:
    must(repository, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    must(repository, "symbolic-ref", "HEAD", "refs/heads/alias")
    found = ours(repository)
    assert found is not None
    assert found[0] == said_by_git(repository)[0] != ""
    assert found[1] == git(repository, "symbolic-ref", "--short", "HEAD") == "main"


def test_branches_that_stand_for_each_other_lead_nowhere(repository: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (repository / ".git/refs/heads" / name).write_text(f"ref: refs/heads/{other}\n")
    (repository / ".git/HEAD").write_text("ref: refs/heads/a\n")
    assert ours(repository) == NOTHING


def test_a_head_that_is_a_link_as_it_once_was(repository: Path) -> None:
    expected = said_by_git(repository)
    (repository / ".git/HEAD").unlink()
    (repository / ".git/HEAD").symlink_to("refs/heads/main")
    assert ours(repository) == expected


def test_the_format_of_reftable_is_not_read_and_nothing_wrong_is_said(tmp_path: Path) -> None:
    made = git(tmp_path, "init", "-b", "main", "--ref-format=reftable")
    if not made:  # a git before 2.45: the files are as the newer one makes them
        must(tmp_path, "init", "-q", "-b", "main")
        (tmp_path / ".git/HEAD").write_text("ref: refs/heads/.invalid\n")
        shutil.rmtree(tmp_path / ".git/refs/heads")
        (tmp_path / ".git/refs/heads").write_text("this repository uses the reftable format\n")
        (tmp_path / ".git/reftable").mkdir()
    assert ours(tmp_path) == NOTHING


NAMES = [
    *("refs/heads/main", "refs/heads/a/b", "refs/heads/-", "refs/heads/@", "refs/x", "refs/heads/ü"),
    *("refs", "refs/", "refs/heads/", "heads/main", "HEAD", "refs//x", "refs/heads/..", "refs/heads/a..b"),
    *("refs/heads/.a", "refs/.a/b", "refs/heads/a.", "refs/heads/a.lock", "refs/a.lock/b", "refs/a.locks/b"),
    *("refs/heads/a b", "refs/heads/a\tb", "refs/heads/a~1", "refs/heads/a^", "refs/heads/a:b", "refs/a?"),
    *("refs/a*", "refs/a[b", "refs/a\\b", "refs/a\x7fb", "refs/a@{b", "refs/a@b", "refs/a{b", "refs/../x"),
    *("refs/heads/../../../etc/passwd", "/etc/passwd", "refs/heads/a/./b", "refs/heads/a\nb"),
]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_a_name_of_a_ref_is_what_git_takes_for_one(name: str) -> None:
    taken = subprocess.run(["git", "check-ref-format", name], check=False).returncode == 0
    assert bool(re.fullmatch(_REF, name)) == (taken and name.startswith("refs/"))


def quickly(look: Callable[[], object]) -> object:
    """What it returns; a call that hangs is a failure, not a hang of the tests."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(look()), daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive(), "it hangs"
    return found[0]


@pytest.mark.parametrize("file", ["HEAD", "refs/heads/main", "packed-refs", "commondir"])
@pytest.mark.parametrize("kind", ["fifo", "endless", "folder", "loop", "binary", "large"])
def test_odd_files_in_a_repository_do_not_block_and_say_nothing_wrong(
    file: str, kind: str, repository: Path
) -> None:
    expected = said_by_git(repository)
    must(repository, "pack-refs", "--all")
    spoil(repository / ".git" / file, kind)
    found = quickly(lambda: ours(repository))
    assert found in (None, NOTHING, ("", "main"), expected)
    if file == "packed-refs":
        assert found in (NOTHING, ("", "main"))


@pytest.mark.parametrize("kind", ["fifo", "endless", "folder", "loop", "binary", "large"])
def test_an_odd_file_in_place_of_a_repository(kind: str, tmp_path: Path) -> None:
    spoil(tmp_path / ".git", kind)
    assert quickly(lambda: ours(tmp_path)) in (None, NOTHING)


def spoil(path: Path, kind: str) -> None:
    if path.is_file():
        path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "binary":
        path.write_bytes(bytes(range(256)) * 10)
    else:
        with path.open("wb") as file:
            file.truncate(1 << 32)  # takes no room


@pytest.mark.parametrize(
    "head",
    [
        *(b"", b"\n", b"ref:", b"ref: ", b"ref: main", b"ref: /etc/passwd", b"ref: ../../secret", b"x" * 40),
        *(b"ref: refs/heads/../../../secret", b"ref: refs/heads/a\0b", b"0" * 39, b"0" * 41, b"F" * 40),
        *(b"ref: refs/heads/" + b"x" * 10_000, b"root:x:0:0", b"ref: refs/heads/main\nref: refs/heads/x"),
    ],
)
def test_a_head_that_is_none_leads_nowhere(head: bytes, repository: Path) -> None:
    (repository / "secret").write_text("1234567890" * 4)
    (repository / ".git/HEAD").write_bytes(head)
    assert ours(repository) == NOTHING


@pytest.mark.parametrize("where", ["", "nowhere", ".git", ".", "/dev/null", "a\0b", "\xff", "x" * 5000])
def test_a_file_that_names_no_repository_ends_the_search_as_gits(
    where: str, repository: Path, tmp_path: Path
) -> None:
    inside = repository / "inside"
    inside.mkdir()
    (inside / ".git").write_bytes(f"gitdir: {where}\n".encode("latin-1"))
    assert ours(inside) == NOTHING
    assert said_by_git(inside) == NOTHING


def test_a_folder_that_is_gone_is_no_harm(tmp_path: Path) -> None:
    assert ours(tmp_path / "gone") == NOTHING
