"""Logs of ordinary programs with secrets of all shapes, and of variables, planted at random places."""

from __future__ import annotations

import random
import string
from collections import Counter
from dataclasses import dataclass

from benchmarks.logs import log_of

from e3_event._redact import SHAPES
from redaction.examples import plain

#: Shape -> lines with a marked secret, in which `{a12}` is 12 letters and digits; `{h..}` hexadecimal digits,
#: `{u..}` capital letters and digits, `{d..}` digits, `{w..}` letters.
PLANTS = {
    "private key": [
        "«-----BEGIN RSA PRIVATE KEY-----\n{a64}\n{a64}\n{a40}==\n-----END RSA PRIVATE KEY-----»",
        "«-----BEGIN OPENSSH PRIVATE KEY-----\n{a70}\n{a70}\n{a9}=\n-----END OPENSSH PRIVATE KEY-----»",
        'key: "«-----BEGIN PRIVATE KEY-----\\n{a64}\\n{a30}=\\n-----END PRIVATE KEY-----»"',
    ],
    "password in a URL": [
        "git clone https://bob:«{a12}»@example.net/x.git", "postgres://app:«{w9}@{a4}»@db:5432/x",
    ],
    "token in a URL": ["git push https://«{h40}»@example.net/x.git"],
    "signature in a URL": [
        "GET https://b.example.net/k?X-Amz-Signature=«{h64}»&x=1", "https://s.example.net/?sig=«{a43}%3D»",
    ],
    "authorization": [
        "curl -H 'Authorization: Bearer «{a24}»' https://example.net", "authorization: Basic «{a16}==»",
    ],
    "bearer": ["sent bearer «{a32}=» to it"],
    "cookie": ["Set-Cookie: «session={a20}; Path=/»", "curl -H 'Cookie: «id={h32}»'"],
    "name = value": [
        "DB_PASSWORD=«{a10}»", "export TOKEN=«{w12}»", 'password = "«{w6} {a6}»" x',
        "?access_token=«{a20}»&page=2", "Server=db;Uid=bob;Pwd=«{a9}»;Port=1", "'api_key' => '«{a16}»'",
        "//registry.example.net/:_authToken=«{a36}»",
    ],
    "name: 'value'": ['{{"password": "«{a10}»", "user": "bob"}}', r'"{{\"token\": \"«{a12}»\", \"n\": 1}}"'],
    "password: value": ["password: «{w8}»", "db_password: «{a9}»"],
    "name: random value": ["api_key: «{a16}»", "X-Auth-Token: «{a20}»"],
    "option": ["mytool --password «{w9}» --verbose", "mytool --api-key  «{a20}» run"],
    "user of curl": ["curl -sS -u bob:«{a9}» https://example.net", "curl --user 'bob:«{w4} {a6}»'"],
    "docker login": ['{{"auths": {{"r.example.net": {{"auth": "«{a20}=»"}}}}}}'],
    "aws": ["key «AKIA{u16}» used"],
    "github": ["«ghp_{a36}»", "«github_pat_{a22}_{a59}»"],
    "gitlab": ["«glpat-{a20}»"],
    "slack": ["«xoxb-{d12}-{a24}»", "https://hooks.slack.com/services/«T{u8}/B{u8}/{a24}»"],
    "discord": ["https://discord.com/api/webhooks/{d18}/«{a34}-{a33}»"],
    "stripe": ["«sk_live_{a24}»"],
    "google": ["«AIza{a35}»", "«ya29.{a30}»", "«GOCSPX-{a28}»"],
    "openai, anthropic": ["«sk-proj-{a40}»", "«sk-ant-api03-{a40}»"],
    "package registry": ["«npm_{a36}»", "«pypi-AgEIcHlwaS5vcmc{a60}»", "«rubygems_{h48}»"],
    "docker hub": ["«dckr_pat_{a27}»"],
    "hugging face": ["«hf_{w34}»"],
    "sendgrid": ["«SG.{a22}.{a43}»"],
    "telegram": ["bot «{d10}:AA{a33}»"],
    "vault": ["«hvs.{a24}»"],
    "digitalocean": ["«dop_v1_{h64}»"],
    "atlassian": ["«ATATT3xFfGF0{a60}=»"],
    "grafana": ["«glsa_{a32}_{h8}»"],
    "age": ["«AGE-SECRET-KEY-1{u58}»"],
    "json web token": ["«eyJ{a17}.eyJ{a60}.{a43}»"],
}  # fmt: skip
_LETTERS = string.ascii_letters
_KINDS = {
    "a": _LETTERS + string.digits,
    "h": "0123456789abcdef",
    "u": string.ascii_uppercase + string.digits,
    "d": string.digits,
    "w": _LETTERS,
}
#: How a line with a secret may come; and how if it may not be a header, which is masked to the line's end.
_WAYS = ["{}\n", "{}\r\n", "\x1b[1m{}\x1b[0m\n", "    | {}\n", "50%\r{}\r\n"]
_OTHER_WAYS = ["2026-11-23 20:15:02 {} and more\n", "({}) \x1b[2K\n", "\x1b[1m> \x1b[32m{} \x1b[0m.\n"]
_LOGS = ["make", "pytest", "npm", "git", "colored", "urls"]


class _Random:
    """Random characters for `str.format_map`."""

    def __init__(self, choice: random.Random) -> None:
        self._choice = choice

    def __getitem__(self, key: str) -> str:
        kind, count = key[0], int(key[1:])
        text = "".join(self._choice.choices(_KINDS[kind], k=count))
        return f"{text[:-1]}7" if kind == "a" else text  # with a digit at least


@dataclass(frozen=True)
class Planted:
    """A log with secrets.

    :ivar log: without them
    :ivar values: of variables; the other secrets have a shape
    :ivar marked: with them, marked as in `examples`
    :ivar kinds: how many of each shape, and of variables, there are
    """

    log: bytes
    values: list[str]
    marked: str
    kinds: Counter[str]

    @property
    def data(self) -> bytes:
        """The log with the secrets."""
        return plain(self.marked).encode()


def plant(seed: int, count: int) -> Planted:
    """Plant so many secrets in a log of 2.4 MB."""
    choice = random.Random(seed)
    values = [_value(choice) for _ in range(20)]
    log = b"".join(log_of(kind, 400_000, seed) for kind in _LOGS)
    lines = log.decode().splitlines(keepends=True)
    kinds: Counter[str] = Counter()
    for number in choice.sample(range(len(lines)), count):
        kind, marked = _plant(choice, values)
        kinds[kind] += 1
        lines[number] = _insert(choice, kind, marked, lines[number])
    return Planted(log, values, "".join(lines), kinds)


def _value(choice: random.Random) -> str:
    """The value of a variable; every second one has several lines."""
    size = choice.randint(6, 60)
    value = "".join(choice.choices(_KINDS["a"] + "+/!$%&()*,.:;<>?@^`{|}~ ", k=size)).strip()
    return choice.choice([f"{value}1", f"{value}2\n{value[::-1]}3\nx"])


def _plant(choice: random.Random, values: list[str]) -> tuple[str, str]:
    """A kind of secret, and a text with one."""
    kind = choice.choice([*SHAPES, *["variable"] * 8])
    if kind == "variable":
        return kind, f"it is «{choice.choice(values)}» here"
    return kind, choice.choice(PLANTS[kind]).format_map(_Random(choice))


def _insert(choice: random.Random, kind: str, marked: str, line: str) -> str:
    """Put a text with a secret before a line or, unless it is a header, somewhere into it."""
    if kind in ("authorization", "cookie"):
        return choice.choice(_WAYS).format(marked) + line
    blanks = [at for at, character in enumerate(line) if character == " "]
    if blanks and choice.randrange(3) == 0:
        at = choice.choice(blanks)
        return f"{line[:at]} {marked}{line[at:]}"
    return choice.choice(_WAYS + _OTHER_WAYS).format(marked) + line
