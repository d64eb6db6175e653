"""Secrets masked in streams of bytes: `Redactor`; and which variables hold secrets: `secrets_of`."""

from ._stream import Redactor
from ._values import secrets_of

__all__ = ["Redactor", "secrets_of"]
