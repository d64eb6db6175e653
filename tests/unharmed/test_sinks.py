"""`e3-event run` whose sinks are down, hang or do what no handler may do: the job is not harmed."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import closing

from handler.smtp_server import ca_file, mail_server, server_context
from unharmed.bench import Bench, Failure, Failures
from unharmed.plugins import install

failures = Failures()
#: Where the event goes directly: what is told, and what a handler that hangs does.
WAITS, DIRECTLY = "the event job waits for", "the event job was not delivered by"
HANGS = "time.sleep(1000)"
HANGS_FOR_EVER = "while True:\n            try: time.sleep(1000)\n            except Exception: pass"


@failures
def one_that_refuses(bench: Bench) -> Iterable[str]:
    sends(bench, "raise ConnectionRefusedError('no')")
    return [f"{WAITS} hostile: ConnectionRefusedError: no"]


@failures
def one_that_answers_false(bench: Bench) -> Iterable[str]:
    sends(bench, "return False")
    return [f"{WAITS} hostile: the handler answered False"]


@failures
def one_that_rejects(bench: Bench) -> Iterable[str]:
    sends(bench, "from e3_event import RejectedError; raise RejectedError('never')")
    return ["the event job was not delivered by hostile: never"]


@failures
def one_that_hangs(bench: Bench) -> Iterable[str]:
    sends(bench, HANGS)
    bench.options = ["--flush-timeout", "0.5s"]
    return [f"{WAITS} hostile: no answer within 0.5 s"]


@failures
def one_that_exits(bench: Bench) -> Iterable[str]:
    sends(bench, "sys.exit(9)")
    return [f"{WAITS} hostile: SystemExit: 9"]


@failures
def one_that_ends_its_thread(bench: Bench) -> Iterable[str]:
    sends(bench, "import _thread; _thread.exit()")
    return [f"{WAITS} hostile: SystemExit"]


@failures
def one_that_raises_anything(bench: Bench) -> Iterable[str]:
    sends(bench, "raise BaseException('odd')")
    return [f"{WAITS} hostile: BaseException: odd"]


@failures
def one_that_interrupts(bench: Bench) -> Iterable[str]:
    sends(bench, "raise KeyboardInterrupt")
    return [f"{WAITS} hostile: KeyboardInterrupt"]


@failures
def one_that_says_much(bench: Bench) -> Iterable[str]:
    """The reason is bounded, and one line."""
    sends(bench, "raise RuntimeError('\\n\\x1b[31m' * 1_000_000)")
    return [f"{WAITS} hostile: RuntimeError: "]


@failures
def one_that_raises_what_can_not_be_read(bench: Bench) -> Iterable[str]:
    sends(bench, "raise type('Odd', (Exception,), {'__str__': lambda self: sys.exit(9)})")
    return [f"{WAITS} hostile: "]


@failures
def one_that_never_closes(bench: Bench) -> Iterable[str]:
    sends(bench, f"return True\n    def close(self): {HANGS}")
    be_quick(bench)
    return ["Handler can't be closed: TimeoutError: no answer within 0.5 s"]


@failures
def one_that_exits_when_it_is_closed(bench: Bench) -> Iterable[str]:
    sends(bench, "return True\n    def close(self): sys.exit(9)")
    return ["SystemExit: 9"]


@failures
def one_that_leaves_a_thread_behind(bench: Bench) -> Iterable[str]:
    sends(bench, f"threading.Thread(target=lambda: {HANGS}).start(); return True")
    be_quick(bench)
    return []


@failures
def one_that_hangs_at_the_end(bench: Bench) -> Iterable[str]:
    sends(bench, f"import atexit; atexit.register(lambda: {HANGS}); return True")
    be_quick(bench)
    return []


@failures
def one_that_prints(bench: Bench) -> Iterable[str]:
    """To us it goes, not to the reader of the job's output."""
    sends(bench, "print('HOSTILE ' * 1000); return True")
    with (bench.folder / "plugins/hostile_plugin.py").open("a") as file:
        file.write("print('HOSTILE ' * 1000)\n")
    bench.env["PYTHONUNBUFFERED"] = "1"
    bench.others_say = b"HOSTILE "
    return []


@failures
def directly_one_that_prints(bench: Bench) -> Iterable[str]:
    one_that_prints(bench)
    do_without_a_spool(bench)
    return []


@failures
def directly_one_that_refuses(bench: Bench) -> Iterable[str]:
    sends(bench, "raise ConnectionRefusedError('no')", directly=True)
    return [f"{DIRECTLY} hostile: ConnectionRefusedError: no"]


@failures
def directly_one_that_hangs(bench: Bench) -> Iterable[str]:
    """The others get their turn."""
    sends(bench, HANGS, directly=True)
    bench.options = ["--flush-timeout", "0.5s"]
    return [f"{DIRECTLY} hostile: TimeoutError: no answer within 0.5 s"]


@failures
def directly_one_that_hangs_for_ever(bench: Bench) -> Iterable[str]:
    sends(bench, HANGS_FOR_EVER, directly=True)
    bench.is_sent = False
    bench.options = ["--flush-timeout", "0.5s"]
    return ["the event job may not have been sent: TooLongError: no answer within 0.5 s"]


@failures
def directly_one_that_hangs_where_no_timeout_is_given(bench: Bench) -> Iterable[str]:
    sends(bench, HANGS, directly=True)
    be_quick(bench)
    return [f"{DIRECTLY} hostile: TimeoutError: no answer within 0.5 s"]


@failures
def directly_one_that_exits(bench: Bench) -> Iterable[str]:
    sends(bench, "sys.exit(9)", directly=True)
    bench.is_sent = False
    return ["the event job may not have been sent: SystemExit: 9"]


@failures
def directly_one_that_never_resolves_its_name(bench: Bench) -> Iterable[str]:
    directly(bench, "smtp=x,ci@example.net,ann@example.net,no-such-host.invalid")
    return [f"{DIRECTLY} smtp: no server took it for ann@example.net; no-such-host.invalid: "]


@failures
def a_server_that_refuses(bench: Bench) -> Iterable[str]:
    bench.env["E3_EVENT_HANDLERS"] += "|smtp=x,ci@example.net,ann@example.net,smtps://127.0.0.1:1"
    return [f"{WAITS} smtp: no server took it for ann@example.net; 127.0.0.1:1: ConnectionRefusedError"]


@failures
def a_server_that_never_answers(bench: Bench) -> Iterable[str]:
    number = listens(bench, backlog=8)
    bench.env["E3_EVENT_HANDLERS"] += f"|smtp=x,ci@example.net,ann@example.net,smtps://127.0.0.1:{number}"
    bench.options = ["--flush-timeout", "0.5s"]
    return [f"{WAITS} smtp: no answer within 0.5 s"]


@failures
def directly_a_server_that_never_answers(bench: Bench) -> Iterable[str]:
    number = listens(bench, backlog=8)
    directly(bench, f"smtp=x,ci@example.net,ann@example.net,smtps://127.0.0.1:{number}")
    bench.options = ["--flush-timeout", "0.5s"]
    return [f"{DIRECTLY} smtp: no server took it for ann@example.net; 127.0.0.1:{number}: TimeoutError"]


@failures
def a_server_that_never_accepts(bench: Bench) -> Iterable[str]:
    """Its queue is full: a connection is neither made nor refused."""
    number = listens(bench, backlog=0)
    for _ in range(4):
        waiting = bench.closing.enter_context(closing(socket.socket()))
        waiting.setblocking(False)
        waiting.connect_ex(("127.0.0.1", number))
    bench.env["E3_EVENT_HANDLERS"] += f"|smtp=x,ci@example.net,ann@example.net,smtps://127.0.0.1:{number}"
    bench.options = ["--flush-timeout", "0.5s"]
    return [f"{WAITS} smtp: no answer within 0.5 s"]


@failures
def a_missing_secret_variable(bench: Bench) -> Iterable[str]:
    return needs_a_password(bench, "env = 'NO_SUCH_VARIABLE'")


@failures
def a_missing_secret_file(bench: Bench) -> Iterable[str]:
    return needs_a_password(bench, "file = '/no/such/file'")


@failures
def all_of_them(bench: Bench) -> Iterable[str]:
    file = bench.env["E3_EVENT_HANDLERS"]
    sends(bench, "raise RuntimeError('no')")
    others = "|".join(f"file:{number}=/dev/null/{number}" for number in range(3))
    bench.env["E3_EVENT_HANDLERS"] = f"{others}|hostile|{file}"
    return [*(f"{WAITS} file:{number}: Not a directory" for number in range(3)), f"{WAITS} hostile: "]


def sends(bench: Bench, code: str, *, directly: bool = False) -> None:
    """Configure a handler that does this to send an event, before the handler `file`."""
    install(bench, f"    def send_event(self, event):\n        {code}")
    if directly:
        do_without_a_spool(bench)


def directly(bench: Bench, handler: str) -> None:
    """Configure this handler, and no spool."""
    bench.env["E3_EVENT_HANDLERS"] += f"|{handler}"
    do_without_a_spool(bench)


def do_without_a_spool(bench: Bench) -> None:
    handlers = bench.env["E3_EVENT_HANDLERS"]
    bench.configure('spool = "none"\n')
    bench.env["E3_EVENT_HANDLERS"] = handlers


def be_quick(bench: Bench) -> None:
    """Do not wait for long."""
    bench.prepare(
        "import e3_event._retry, e3_event.cli._run as run; e3_event._retry.DEADLINE = run._LEAVING = 0.5"
    )


def listens(bench: Bench, *, backlog: int) -> int:
    """Have a server that says nothing; returns its port."""
    server = bench.closing.enter_context(closing(socket.socket()))
    server.bind(("127.0.0.1", 0))
    server.listen(backlog)
    number: int = server.getsockname()[1]
    return number


def needs_a_password(bench: Bench, secret: str) -> Iterable[str]:
    """Have a mail server that wants a password, which is nowhere to be found."""
    server = bench.closing.enter_context(mail_server(server_context(), logins={"me": "secret"}))
    bench.configure(
        f"[handlers.file]\nlog_dir = '{bench.events.folder}'\n"
        "[handlers.smtp]\nsubject = 'x'\nfrom_addr = 'ci@example.net'\nto_addr = 'ann@example.net'\n"
        f"smtp_servers = '{server.url}'\nuser = 'me'\n"
        f"password = {{ {secret} }}\nca_file = '{ca_file(bench.folder)}'\n"
    )
    return [f"{WAITS} smtp: no server took it for ann@example.net; localhost:{server.port}: "]


@failures.by_jobs()
def test_the_job_is_not_harmed(bench: Bench, failure: Failure, job: str) -> None:
    bench.check(job, failure(bench))
