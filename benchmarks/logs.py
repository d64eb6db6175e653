"""Output of ordinary programs, made up: what redaction has to leave as it is, and to pass fast."""

from __future__ import annotations

import random
from typing import Any

_WORDS = (
    "config parser reader writer index table module cache queue stream buffer image layer node graph vector",
    "matrix client server request response handler manager factory builder visitor walker lexer scanner",
    "render layout widget event signal socket thread process memory object class method field value result",
    "error warning option argument command output input file folder path name type size length count number",
    "date time zone user group host port address network packet frame block page line word text string byte",
)
_PLAIN = " ".join(_WORDS).split()
#: Words that stand in ordinary text as well as before secrets; one in so many words is one of them.
_RISKY = "token key secret password tokens keyboard monkey credential auth author cookie bearer".split()  # noqa: SIM905
_ONE_IN = 40

_GCC = (
    "gcc -DHAVE_CONFIG_H -I. -I../include -I/usr/include/glib-2.0 -D_FORTIFY_SOURCE=2 -Wall -std=gnu11"
    " -Wextra -O2 -g -fPIC -MT {path}.lo -MD -MP -MF {path}.Tpo -c {path}.c -o {path}.o"
)
#: Kind of a log -> its lines. In each line of the last two stands what may stand before a secret, too.
KINDS: dict[str, list[str]] = {
    "make": [
        *[_GCC] * 5,
        "cc -O2 -UNDEBUG -U_FORTIFY_SOURCE -o {path} {path}.c",
        "{path}.c:{n}:{n}: warning: unused variable '{name}' [-Wunused-variable]",
        "  {n} |   const char *{name} = {name}_of({word}, {n});",
        "      |               ^~~~~~~~",
        "{path}.c:{n}:9: error: expected ';' before '{word}' token",
        "make[2]: Entering directory '/build/{dashed}-{version}'",
        "[{n:3}%] Linking CXX shared library lib{name}.so",
    ],
    "pytest": [
        *["tests/{path}.py::test_{name}_is_{name}[{word}-{n}] PASSED [{n:3}%]"] * 9,
        "    def test_{name}({word}: str, {word}: int = {n}) -> None:",
        ">       assert len({word}s) == {n}, {word}",
        "E       AssertionError: assert {n} == {n}",
        "E        +  where {n} = len(['{word}', '{word}'])",
        "FAILED tests/{path}.py::test_{name} - KeyError: '{word}'",
    ],
    "npm": [
        "npm http fetch GET 200 https://registry.example.net/@{word}/{dashed}/-/{dashed}-{version}.tgz {n}ms",
        "npm warn deprecated {dashed}@{version}: use @{word}/{dashed}@{n}, see https://example.net/{word}",
        "added {n} packages, and audited {n} packages in {n}s",
        "  dist/assets/{dashed}-{hex8}.js   {n}.{n} kB, gzip: {n}.07 kB",
        'SyntaxError: {path}.ts: Unexpected token, expected "," ({n}:{n})',
    ],
    "docker": [
        "#{n} [{word} 3/9] RUN apt-get install -y --no-install-recommends {dashed}",
        "#{n} {n}.{n} Get:{n} http://deb.example.net/debian bookworm/main {dashed} amd64 {version}-1",
        "#{n} resolve registry.example.net/{dashed}:{version}@sha256:{hex32}{hex32} done",
        "{hex8}{hex4}: Pull complete",
        "docker run --rm -u 1000:1000 -p 8080:80 -v /srv/{word}:/data:ro --env-file .env {dashed}:latest",
    ],
    "git": [
        "commit {hex32}{hex8}",
        "Author: Ada Lovelace <ada.lovelace@example.net>",
        "    the {word} of a {word} is {word}, fixes #{n}",
        " {path}.c | {n} +++++++++++++++----",
        "   {hex8}..{hex8}  main -> origin/main",
        "git push -u origin {dashed} && curl -sS https://example.net/{word} -o {word}.txt",
    ],
    "service": [
        "2026-11-23T20:15:{n}Z INFO [{dashed}-{n}] c.e.{word}.{name}: {word} {word} took {n} ms, tokens={n}",
        '{{"level":"info","caller":"{path}.go:{n}","msg":"{word} {word}","key":"{word}","max_tokens":{n}}}',
        '{{"ts":{n}.{n},"id":"{hex8}-{hex4}-7{hex4}-a{hex4}-{hex8}","spans":[{n},{n}],"key":"{name}"}}',
        '10.0.{n}.{n} - - [23/Nov/2026:20:15:02 +0000] "GET /{path}?page={n}&sort={word} HTTP/1.1" 200 {n}',
        'GET /{path} {n} "https://example.net/{word}" "Mozilla/5.0 (X11; Linux x86_64)"',
        "Downloading {name}-{version}-py3-none-any.whl.metadata ({n}.1 kB)",
    ],
    "colored": [
        "\x1b[1m\x1b[32m   Compiling\x1b[0m {dashed} v{version}",
        "\x1b[0m\x1b[1m\x1b[33mwarning\x1b[0m\x1b[0m\x1b[1m: unused variable: `{word}`\x1b[0m",
        "\x1b[0m \x1b[0m\x1b[1m\x1b[38;5;12m--> \x1b[0m\x1b[0m{path}.rs:{n}:{n}\x1b[0m",
        "\x1b[32m{path}.py\x1b[0m ................ \x1b[32m[{n:3}%]\x1b[0m",
    ],
    "tokens": [
        "{path}.js:{n}: unexpected token: punc {word}, skipped to the next token of {word}",
    ],
    "urls": [
        "fetch https://cdn.example.net/@{word}/{path}.js?v={hex8} from cache, 304 after {n} ms",
    ],
}  # fmt: skip
#: Those of ordinary programs.
ORDINARY = tuple(KINDS)[:-2]


class _Words:
    """Gives another word, name, path or number for each place of a line."""

    def __init__(self, choice: random.Random) -> None:
        self._choice = choice

    def __getitem__(self, kind: str) -> Any:
        if kind == "n":
            return self._choice.randint(1, 99)
        if kind == "version":
            return f"{self['n']}.{self['n']}.{self['n']}"
        if kind.startswith("hex"):
            digits = int(kind.removeprefix("hex"))
            return f"{self._choice.getrandbits(4 * digits):0{digits}x}"
        joint = {"name": "_", "dashed": "-", "path": "/"}.get(kind)
        return joint.join(self._word() for _ in range(self._choice.randint(1, 4))) if joint else self._word()

    def _word(self) -> str:
        return self._choice.choice(_PLAIN if self._choice.randrange(_ONE_IN) else _RISKY)


def log_of(kind: str, size: int, seed: int = 1) -> bytes:
    """Return a log of about so many bytes; the same for the same arguments."""
    choice = random.Random(seed)
    words = _Words(choice)
    lines: list[str] = []
    while size > 0:
        lines.append(choice.choice(KINDS[kind]).format_map(words))
        size -= len(lines[-1]) + 1
    return "\n".join([*lines, ""]).encode()
