"""What never leaves the process: the shapes of secrets, masked."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "[redacted]"

_WORDS = "password|passwd|passphrase|secret|token|credential|(?:api|access|private)[_-]?key"
_NAMED = rf"[\w.-]*(?:{_WORDS})[\w.-]*"
_SHAPES = [
    # a private key in PEM, up to its end or the end of the text
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", MASK),
    # user and password in a URL
    (r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s/:@?#\"']*:)[^\s/@\"']+(?=@)", rf"\g<keep>{MASK}"),
    # HTTP authentication
    (
        r"(?P<keep>\bauthorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token|digest)\s+)?)[^\s\"',;]+",
        rf"\g<keep>{MASK}",
    ),
    (r"(?P<keep>\b(?:bearer|basic)\s+)[A-Za-z0-9+/._~-]{16,}=*", rf"\g<keep>{MASK}"),
    # name=value, name: value, "name": "value", --name value
    (
        rf"(?P<keep>(?:\b|--?){_NAMED}[\"']?\s*[=:]\s*)(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"',;&|)}}\]]+)",
        rf"\g<keep>{MASK}",
    ),
    (rf"(?P<keep>--{_NAMED}\s+)(?!-)[^\s]+", rf"\g<keep>{MASK}"),
    # tokens with a telling form
    (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", MASK),  # AWS
    (r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})", MASK),  # GitHub
    (r"\bglpat-[\w-]{16,}", MASK),  # GitLab
    (r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", MASK),  # Slack
    (r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}", MASK),  # Stripe
    (r"\bAIza[\w-]{35}", MASK),  # Google
    (r"\bnpm_[A-Za-z0-9]{30,}", MASK),
    (r"\bpypi-[\w-]{40,}", MASK),
    (r"\bSG\.[\w-]{16,}\.[\w-]{16,}", MASK),  # SendGrid
    (r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*", MASK),  # JSON web token
]
_PATTERNS = [(re.compile(shape, re.IGNORECASE | re.DOTALL), mask) for shape, mask in _SHAPES]
#: Options whose next argument is a secret although their name does not say so: `curl -u user:password`.
_OPTIONS = re.compile(rf"--?{_NAMED}|-u|--user|--proxy-user", re.IGNORECASE)


def redact(text: str) -> str:
    """Return *text* with what has the form of a secret replaced by `[redacted]`."""
    for pattern, mask in _PATTERNS:
        text = pattern.sub(mask, text)
    return text


def redact_command(command: Sequence[str]) -> list[str]:
    """Return a command's arguments with secrets replaced, also those that stand alone behind an option."""
    shown = [redact(argument) for argument in command]
    for i in range(1, len(command)):
        if _OPTIONS.fullmatch(command[i - 1]):
            user, colon, _ = command[i].partition(":")
            named = re.fullmatch("-u|--user|--proxy-user", command[i - 1])
            shown[i] = (f"{user}:{MASK}" if colon else command[i]) if named else MASK
    return shown


def describe(error: BaseException) -> str:
    """What an exception says, in one line, with its type unless it is ours, and without secrets."""
    from ._codec import as_text
    from ._errors import EventError

    text = " ".join(as_text(error).split())
    if not isinstance(error, EventError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return redact(text)
