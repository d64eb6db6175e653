"""What is wrong with a configuration file: each problem with its line, its key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.files import SMTP, Write, load, problems
from e3_event import EventError

ONE_PROBLEM = {
    "an unknown table": (
        "[spol]\n",
        "line 1: spol",
        "no such key; did you mean spool?",
    ),
    "a table below an unknown one": (
        "\n[e3.spool]\n",
        "line 2: e3",
        "no such key; there are: spool, redact, handlers",
    ),
    "a key of nothing": (
        "x = 1\n",
        "line 1: x",
        "no such key; there are: spool, redact, handlers",
    ),
    "an unknown key": (
        '[spool]\n\nmax-size = "1GB"\n',
        "line 3: spool.max-size",
        "no such key; did you mean max_size?",
    ),
    "no table": (
        "spool = 5\n",
        "line 1: spool",
        "a table is needed, as in [spool], not 5",
    ),
    "no table of handlers": (
        "handlers = []\n",
        "line 1: handlers",
        "a table is needed, as in [handlers], not a list",
    ),
    "no table of a handler": (
        "[handlers]\nfile = true\n",
        "line 2: handlers.file",
        "a table is needed, as in [handlers.file], not true",
    ),
    "a relative path": (
        '[spool]\npath = "spool"\n',
        "line 2: spool.path",
        'an absolute path is needed, or one that begins with ~/, not "spool"',
    ),
    "a path that is no text": (
        "spool.path = 1\n",
        "line 1: spool.path",
        "a text is needed, not 1",
    ),
    "a size without a unit": (
        'spool.max_size = "10"\n',
        "line 1: spool.max_size",
        'a size such as "10GiB" or "500MB", or a number of bytes is needed, not "10"',
    ),
    "a time that is a date": (
        "spool.retention = 2026-01-01\n",
        "line 1: spool.retention",
        'a time such as "5s", "10m", "1.5h", "30d", or a number of seconds is needed, not 2026-01-01',
    ),
    "a scope of redaction that is none": (
        "[redact]\nscope = false\n",
        "line 2: redact.scope",
        '"captured", "all" or "nothing" is needed, not false',
    ),
    "one name of a variable": (
        '[redact]\nenv = "DB_URL"\n',
        "line 2: redact.env",
        'a list of names of variables is needed, not "DB_URL"',
    ),
    "a variable with its value": (
        'redact.env = ["DB_URL", "DEPLOY_URL=x"]\n',
        "line 1: redact.env",
        'the name of a variable is needed, such as "DB_URL" or "DEPLOY_*", not "DEPLOY_URL=x"',
    ),
    "a variable that is no text": (
        "redact.env = [5]\n",
        "line 1: redact.env",
        'the name of a variable is needed, such as "DB_URL" or "DEPLOY_*", not 5',
    ),
    "an unknown key of redaction": (
        "[redact]\nvariables = []\n",
        "line 2: redact.variables",
        "no such key; there are: scope, env",
    ),
    "no table of redaction": (
        "redact = false\n",
        "line 1: redact",
        "a table is needed, as in [redact], not false",
    ),
    "an unknown handler": (
        '[handlers.a]\ntype = "flie"\n',
        "line 2: handlers.a.type",
        'no handler "flie" is installed; did you mean file?',
    ),
    "a handler without a type": (
        '[handlers.oncall]\nlog_dir = "x"\n',
        "line 1: handlers.oncall.type",
        'is missing, and no handler "oncall" is installed; there are: file, logging, s3, smtp, spool',
    ),
    "a name of another type": (
        '[handlers.file]\ntype = "smtp"\n',
        "line 2: handlers.file.type",
        "a handler that is called file is of the type file; give it another name",
    ),
    "a label of another type": (
        '[handlers."x:a"]\ntype = "file"\nlog_dir = "x"\n',
        'line 2: handlers."x:a".type',
        "a handler that is called x:a is of the type x; give it another name",
    ),
    "a name that can't be shared": (
        '[handlers."file=|"]\n',
        'line 1: handlers."file=|"',
        "a handler's name has letters, digits, `_`, `-`, `.`, and one `:` before its label",
    ),
    "an argument that is missing": (
        "[handlers.file]\n",
        "line 1: handlers.file.log_dir",
        "is missing",
    ),
    "an argument that it does not take": (
        '[handlers.file]\nlog_dir = "x"\n\nlogdir = "y"\n',
        "line 4: handlers.file.logdir",
        "no such key; did you mean log_dir?",
    ),
    "an argument of another type": (
        "[handlers.file]\nlog_dir = 5\n",
        "line 2: handlers.file.log_dir",
        "a text is needed, not 5",
    ),
    "a number that is none": (
        SMTP + 'timeout = "5s"\n',
        "line 9: handlers.oncall.timeout",
        'a number is needed, not "5s"',
    ),
    "a truth that is none": (
        "[handlers.logging]\nexact = 1\n",
        "line 2: handlers.logging.exact",
        "true or false is needed, not 1",
    ),
    "a truth that should be a number": (
        "[handlers.logging]\nlevel = true\n",
        "line 2: handlers.logging.level",
        "a whole number or a text is needed, not true",
    ),
    "a list of something else": (
        SMTP.replace('"smtps://b.example.net"', "5"),
        "line 7: handlers.oncall.smtp_servers",
        "a text or a list (of a text) is needed, not a list",
    ),
    "what only the constructor knows": (
        '[handlers.logging]\nlevel = "LOUD"\n',
        "line 1: handlers.logging",
        "the level is a number or one of DEBUG INFO WARNING ERROR CRITICAL, not 'LOUD'",
    ),
    "an order that is none": (
        '[handlers.file]\nlog_dir = "x"\norder = "random"\n',
        "line 3: handlers.file.order",
        '"strict" or "live" is needed, not "random"',
    ),
    "a route": (
        '[handlers.file]\nlog_dir = "x"\nwhen = { status = ["failed"] }\n',
        "line 3: handlers.file.when",
        "this version can't choose events yet; without `when` the handler gets all of them",
    ),
    "an unknown key of retry": (
        '[handlers.file]\nlog_dir = "x"\n[handlers.file.retry]\natempts = 3\n',
        "line 4: handlers.file.retry.atempts",
        "no such key; did you mean attempts?",
    ),
    "attempts that are no number": (
        '[handlers.file]\nlog_dir = "x"\nretry = { attempts = "3" }\n',
        "line 3: handlers.file.retry.attempts",
        'a whole number is needed, not "3"',
    ),
    "waits that make no sense": (
        '[handlers.file]\nlog_dir = "x"\nretry = { first = "2h" }\n',
        "line 3: handlers.file.retry",
        "longest (3600.0 s) is shorter than first (7200.0 s)",
    ),
    "a reference to nothing": (
        SMTP + 'password = { evn = "X" }\n',
        "line 9: handlers.oncall.password",
        'a text or { env = "NAME" } or { file = "PATH" } is needed, not dict',
    ),
    "a reference to two": (
        SMTP + 'password = { env = "X", file = "/x" }\n',
        "line 9: handlers.oncall.password",
        'a text or { env = "NAME" } or { file = "PATH" } is needed, not dict',
    ),
    "a reference to a relative file": (
        SMTP + 'password = { file = "secret" }\n',
        "line 9: handlers.oncall.password",
        'an absolute path is needed, or one that begins with ~/, not "secret"',
    ),
    "a secret that is a number": (
        SMTP + "password = 12345678\n",
        "line 9: handlers.oncall.password",
        'a text or { env = "NAME" } or { file = "PATH" } is needed, not int',
    ),
    "an unreadable reference where the text is needed at once": (
        '[handlers.file]\nlog_dir = { env = "NOT_SET" }\n',
        "line 2: handlers.file.log_dir",
        "the environment variable NOT_SET, which should hold a secret, is not set",
    ),
}


@pytest.mark.parametrize("what", ONE_PROBLEM)
def test_a_wrong_value_is_named_with_line_key_and_what_would_be_right(what: str, write: Write) -> None:
    text, where, told = ONE_PROBLEM[what]
    assert problems(write(text)) == [f"{where}: {told}"]


def test_all_problems_of_a_file_are_told_at_once(write: Write) -> None:
    found = problems(write('x = 1\n[spool]\npath = "a"\n[handlers.file]\nlogdir = "x"\n[handlers.smpt]\n'))
    assert [problem.partition(": ")[2].partition(": ")[0] for problem in found] == [
        "spool.path", "handlers.file.log_dir", "handlers.file.logdir", "handlers.smpt.type", "x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[spool\n", ": no TOML: "),
        (b"x = 1\nx = 2\n", "(at line 2, column "),
        (b"x = '\xff'\n", ": no TOML: 'utf-8' codec can't decode"),
        (b"x = " + b"[" * 100_000, ": no TOML: "),
    ],
)
def test_what_is_no_toml_is_one_problem(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    (problem,) = problems(path)
    assert told in f": {problem}"


@pytest.mark.parametrize("name", ["no-such.toml", "."])
def test_a_file_that_can_not_be_read_is_one_problem(name: str, tmp_path: Path) -> None:
    with pytest.raises(EventError, match="can't be read: "):
        load(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('spool = { path = "a" }\n', 1),
        ('\n[ spool ] # a note\n"path"= "a"\n', 3),
        ("[handlers.file]\nlog_dir = '''\n[spool]\n'''\n[spool]\npath = 'a'\n", 6),
        ("[spool]\nmax_size = [\n", None),
    ],
)
def test_lines_are_found_however_a_key_is_written(text: str, line: int | None, write: Write) -> None:
    (problem,) = problems(write(text))
    assert problem.startswith(f"line {line}: spool.path" if line else ": no TOML: ")
