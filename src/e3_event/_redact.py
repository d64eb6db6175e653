"""What never leaves the process: the shapes of secrets, masked.

What may repeat in a pattern is bounded or can't start anew inside its own match, so that the time grows with
the length of the text and no faster, whatever the text is. What is masked stays as it is when it comes again.
"""

from __future__ import annotations

import re
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "[redacted]"
#: Characters of what `describe` says of an exception.
LONGEST_REASON = 2000

_KEYS = ("api", "access", "account", "auth", "encryption", "private", "secret", "shared", "signing")
# The end of a name whose value is a secret: `DB_PASSWORD`, `authToken`, `aws_secret_access_key`, but not
# `max_tokens`, `PASSWORD_FILE`, `secretary`.
_PHRASE = r"(?:pass(?:word|wd|phrase))"
_SECRET = (
    rf"(?:{_PHRASE}|_pass|[_;]pwd|:_auth|secret|token|credentials?|secret_key_base"
    rf"|(?:{'|'.join(_KEYS)})[_-]?key)(?:_?\d{{1,3}})?"
)
#: A name whose value is a secret.
SECRET_NAME = rf"(?si:.*{_SECRET})"
_NAME = rf"(?i:{_SECRET})(?![\w.-])\\?[\"']?[ \t]*"
#: The end of such a name, and what stands between it and its value.
ASSIGNED = rf"{_NAME}[:=]"
# What is no secret where one is expected: a word (or the type of a parameter) that is all of the value, or
# brackets around something else.
_NOTHING = (
    r"(?i:(?:true|false|none|null|nil|yes|no|on|off|undefined|any|bool|bytes|int|object|optional|str|string)"
    r"(?=\.?(?:[\s\"'\\,;&|()}\[\]]|\Z))|[({\[]+(?:\s|\Z)|\[redacted|\$\{\{)"
)
# In a listing of code a name is given what a function returns: `token = next(tokens)`.
_CALL = r"(?<=[ \t])[a-zA-Z_][\w.]{0,80}[(\[][^\n]{0,200}[)\]][^\w\n]{0,3}(?:\n|\Z)"
# The end of a text in such a listing: `getpass("Password: ", stream)`.
_TEXT_ENDS = r"(?:[,)]| [+%])(?:[\s)]|\Z)"
_QUOTED = r"(?:(?<=\\\")[^\"\\\n]+|(?<=[^\\]\")(?:[^\"\\\n]|\\.)+|(?<=')[^'\n]+)"
_BARE = r"[^\s\0\"'\\,;&|)}\]]+"
_RANDOM = r"(?=[^\s\d]{0,40}\d)[^\s\0\"'\\,;&|)}\]]{8,}"
# In prose an option is followed by words: "use --password to set it"; in help by a name: "--token TOKEN".
_PROSE = (
    rf"(?i:to|or|and|option|flag|is|are|for|with|as|in|argument|must|can|was|instead|{_SECRET})"
    r"(?=[\s.,;:!?)\]|\"'`]|\Z)"
)
_USER = r"[ =]?(?P<quote>[\"'])?[^\s:/\"'-][^\s:\"']{0,256}:"
_KEY = r"[A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
#: The lines around a private key.
KEY_BEGIN, KEY_END = rf"-----BEGIN {_KEY}", rf"-----END {_KEY}"

#: Name of a shape -> its pattern. The group `keep` stays, the rest of the match is masked.
SHAPES = {
    "private key": rf"{KEY_BEGIN}(?s:.*?)(?:{KEY_END}|\Z)",
    "password in a URL": r"(?P<keep>://[^\s/:@?#\"'\[]{0,256}:)(?!\[redacted\]@)[^\s/?#\"']{1,4096}(?=@)",
    "token in a URL": r"(?P<keep>://)[\w-]{32,4096}(?=@)",
    "signature in a URL": r"(?P<keep>[?&](?:X-Amz-Signature|X-Goog-Signature|sig|Signature)=)[\w%+/=-]+",
    "authorization": r"(?P<keep>(?i:\bauthorization\\?[\"']?[ \t]*[:=][ \t]*\\?[\"']?"
    r"(?:bearer|basic|token|digest|negotiate|apikey)[ \t]+))(?!\[redacted)[^\s\"'\\][^\r\n\"'\\]*",
    "bearer": r"(?P<keep>\b[Bb]earer[ \t]+)(?=[^\s\d]{0,40}\d)[\w+/.~-]{16,}=*",
    "cookie": r"(?P<keep>\b[Cc]ookie:[ \t]*)(?!\[redacted)(?=[^\s\"'\\=;]{1,256}=)[^\r\n\"'\\]*",
    "name = value": rf"(?P<keep>{_NAME}:?=(?!=)>?+[ \t]*\\?[\"']?)"
    rf"(?!{_NOTHING}|{_CALL})(?:{_QUOTED}|{_BARE})",
    "name: 'value'": rf"(?P<keep>{_NAME}:[ \t]*\\?[\"'])(?!{_NOTHING}|{_TEXT_ENDS}){_QUOTED}",
    "password: value": rf"(?P<keep>(?i:{_PHRASE}):[ \t]*)(?!{_NOTHING}){_BARE}",
    "name: random value": rf"(?P<keep>{_NAME}:[ \t]*)(?!{_NOTHING}){_RANDOM}",
    "option": rf"(?P<keep>(?<![\w-])--(?=\w)(?i:[\w-]{{0,40}}?{_SECRET})[ \t]+)"
    rf"(?!{_PROSE}|\[redacted)[^\s\"'\\<-][^\s\"'\\]*",
    "user of curl": r"(?P<keep>\b(?:curl|https?|xh)\b[^\n|;&]{0,400}? (?:-u|-U|--user|--proxy-user)"
    rf"{_USER})(?!\[redacted)(?(quote)[^\"'\n]+|[^\s\"']+)",
    "docker login": r"(?P<keep>\\?\"auth\\?\":[ \t]*\\?\")[A-Za-z0-9+/]{8,}=*",
    "aws": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "github": r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})",
    "gitlab": r"\bgl(?:pat|rt|dt|ptt|cbt|soat|ft|imt|agent)-[\w-]{16,}",
    "slack": r"\bxox[abceoprs]-[A-Za-z0-9-]{10,}|(?P<keep>hooks\.slack\.com/services/)\w[\w/]+",
    "discord": r"(?P<keep>discord(?:app)?\.com/api/webhooks/\d{1,30}/)[\w-]+",
    "stripe": r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}",
    "google": r"\bAIza[\w-]{35}|\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}",
    "openai, anthropic": r"\bsk-(?=[A-Za-z_-]{0,40}\d)[\w-]{32,}",
    "package registry": r"\bnpm_[A-Za-z0-9]{30,}|\bpypi-[\w-]{40,}|\brubygems_[a-f0-9]{40,}",
    "docker hub": r"\bdckr_(?:pat|oat)_[\w-]{20,}",
    "hugging face": r"\bhf_[A-Za-z0-9]{30,}",
    "sendgrid": r"\bSG\.[\w-]{16,64}\.[\w-]{16,}",
    "telegram": r"\b\d{8,10}:AA[\w-]{33}",
    "vault": r"\bhv[sbr]\.[\w-]{20,}",
    "digitalocean": r"\bdo[opr]_v1_[a-f0-9]{40,}",
    "atlassian": r"\bATATT3[\w=-]{40,}",
    "grafana": r"\bgl(?:sa|c)_[\w+/=-]{24,}",
    "age": r"\bAGE-SECRET-KEY-1[A-Z0-9]{40,}",
    "json web token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*",
}
#: With one of these the end of a name of a secret begins.
OF_NAMES = (
    *("password", "passwd", "passphrase", "_pass", "_pwd", ";pwd", ":_auth", "secret", "token", "credential"),
    *(f"{kind}{joint}key" for kind in _KEYS for joint in ("", "_", "-")),
)
_OF_CURL = (" -u", " -U", " --user", " --proxy-user")
#: Shape -> texts of which one stands in every line with the shape; in small letters where case does not count
#: for a part of it. They are looked for before the shape is, as that is much faster.
TRIGGERS = {
    "private key": ("-----BEGIN ",),
    "password in a URL": ("://",),
    "token in a URL": ("://",),
    "signature in a URL": ("Signature=", "?sig=", "&sig="),
    "authorization": ("authorization",),
    "bearer": ("bearer", "Bearer"),
    "cookie": ("cookie:", "Cookie:"),
    "name = value": OF_NAMES,
    "name: 'value'": OF_NAMES,
    "password: value": OF_NAMES,
    "name: random value": OF_NAMES,
    "option": OF_NAMES,
    "user of curl": _OF_CURL,
    "docker login": ('"auth',),
    "aws": ("AKIA", "ASIA"),
    "github": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "gitlab": (
        *("glpat-", "glrt-", "gldt-", "glptt-", "glcbt-"),
        *("glsoat-", "glft-", "glimt-", "glagent-"),
    ),
    "slack": ("xox", "hooks.slack.com/services/"),
    "discord": (".com/api/webhooks/",),
    "stripe": ("k_live_", "k_test_"),
    "google": ("AIza", "ya29.", "GOCSPX-"),
    "openai, anthropic": ("sk-",),
    "package registry": ("npm_", "pypi-", "rubygems_"),
    "docker hub": ("dckr_",),
    "hugging face": ("hf_",),
    "sendgrid": ("SG.",),
    "telegram": (":AA",),
    "vault": ("hvs.", "hvb.", "hvr."),
    "digitalocean": ("_v1_",),
    "atlassian": ("ATATT3",),
    "grafana": ("glsa_", "glc_"),
    "age": ("AGE-SECRET-KEY-1",),
    "json web token": ("eyJ",),
}
_BEHIND_NAME = r"(?:_?\d{1,3})?(?![\w.-])\\?[\"']?[ \t:=]"
#: Trigger that is common -> what follows it, in small letters, in every line with its shapes.
BEHIND = {
    "://": r"[^\s/?#\"']+@",
    **dict.fromkeys(_OF_CURL, _USER),
    **dict.fromkeys(OF_NAMES, _BEHIND_NAME),
    "credential": rf"s?{_BEHIND_NAME}",
    "secret": rf"(?:_key_base|[_-]?key)?{_BEHIND_NAME}",
    "bearer": r"[ \t]",
    "Bearer": r"[ \t]",
    "sk-": r"[\w-]{32}",
    "eyJ": r"[\w-]{8,}\.eyj",
}
#: Shape -> what it begins with, where that is faster to look for than the shape.
STARTS = {
    "password in a URL": "://",
    "token in a URL": "://",
    "option": "--",
    "user of curl": "curl|http|xh",
}
_NAMED_ARGUMENT = rf"((?i:[\w.-]{{0,80}}?{_SECRET})=)(?!{_NOTHING}).+"
_NAMED_OPTION = rf"--?(?i:[\w-]{{0,80}}?{_SECRET})"
#: A text of these and shorter than this has none of the shapes.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")
_SHORTEST = 15
#: Programs and their options of one letter whose value is a secret.
_LETTERS = {
    **dict.fromkeys(("mysql", "mysqldump", "mysqladmin", "mariadb", "mariadb-dump", "sshpass"), "-p"),
    **dict.fromkeys(("ldapsearch", "ldapadd", "ldapmodify", "ldapdelete"), "-w"),
    "redis-cli": "-a",
    "login": "-p",  # of docker, podman, oc
}
#: Programs and their options whose value is `user:password`.
_USERS = dict.fromkeys(
    ("curl", "http", "https", "xh"), ("-u", "-U", "-a", "--user", "--proxy-user", "--auth")
)


def redact(text: str) -> str:
    """Return *text* with what has the form of a secret replaced by `[redacted]`."""
    if len(text) < _SHORTEST and _PLAIN.issuperset(text):
        return text
    low = text.lower() if text.isascii() else None  # else more than its small letter may match a letter
    for name, triggers in _triggers():
        if low is None or any(trigger in low for trigger in triggers):
            pattern, mask = _pattern(name)
            text = pattern.sub(mask, text)
    return text


@cache
def _triggers() -> list[tuple[str, list[str]]]:
    """Shape -> its triggers in small letters."""
    return [(name, [trigger.lower() for trigger in TRIGGERS[name]]) for name in SHAPES]


@cache
def _pattern(name: str) -> tuple[re.Pattern[str], str]:
    """Compile a shape, with what takes the place of a match; all together take some 10 ms."""
    shape = SHAPES[name]
    return re.compile(shape), rf"\g<keep>{MASK}" if "(?P<keep>" in shape else MASK


def may_name(text: str) -> bool:
    """May the name of a secret be in this? If there is no trigger, no pattern need be compiled, which takes
    long.
    """
    low = text.lower()
    return not text.isascii() or any(trigger in low for trigger in OF_NAMES)


def redact_command(command: Sequence[str]) -> list[str]:
    """Return a command's arguments with secrets replaced, also those that only what is before tells."""
    shown: list[str] = []
    letter = ""
    users: Sequence[str] = ()
    before = ""
    for argument in command:
        shown.append(_redact_argument(argument, before, letter, users))
        program = argument.rpartition("/")[2]
        letter, users = _LETTERS.get(program, letter), _USERS.get(program, users)
        before = argument
    return shown


def _redact_argument(argument: str, before: str, letter: str, users: Sequence[str]) -> str:
    """Return one argument without secrets.

    :param before: the argument before it
    :param letter: option of the program whose value is a secret, as in `-psecret`
    :param users: options of the program whose value is `user:password`
    """
    named = None
    if "=" in argument and may_name(argument):
        named = re.fullmatch(_NAMED_ARGUMENT, argument, re.DOTALL)
    if named:
        return named[1] + MASK
    if letter and argument.startswith(letter) and len(argument) > 2:
        return letter + MASK
    behind = before.startswith("-") and not argument.startswith("-")
    if behind and (before == letter or (may_name(before) and re.fullmatch(_NAMED_OPTION, before))):
        return MASK
    user, colon, password = argument.partition(":")
    if before in users and password:
        return user + colon + MASK
    return redact(argument)


def describe(error: BaseException) -> str:
    """What an exception says: one line of bounded length, no secrets, with its type unless it is ours."""
    from ._codec import as_text
    from ._errors import EventError

    text = " ".join(as_text(error)[: 10 * LONGEST_REASON].split())
    if not isinstance(error, EventError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    text = redact(text)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} [cut]"
