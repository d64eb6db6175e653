# ruff: noqa: I001  e3.event comes first, as it makes e3.error resolve
"""E3Error and EventError."""

import pickle

import e3.event
from e3.error import E3Error
from e3.event import EventError
from observe import attempt, see


def parts(error: E3Error) -> list[object]:
    return [str(error), error.messages, error.origin]


see("EventError is an E3Error", issubclass(EventError, E3Error))
see("EventError is an Exception", issubclass(E3Error, Exception))
see("names", [E3Error.__name__, EventError.__name__])
see("one message", parts(EventError("m")))
see("a list of messages", parts(EventError(["a", "b"])))
see("an empty list", parts(EventError([])))
see("an empty text", parts(EventError("")))
see("no message", parts(EventError(None)))
see("with origin", parts(EventError("m", "o")))
see("with origin by name", parts(EventError(message="m", origin="o")))
see("with origin and a list", parts(EventError(["a", "b"], origin="o")))
see("with origin and no message", parts(EventError(None, origin="o")))
see("with an empty origin", parts(EventError("m", "")))
see("repr", repr(EventError("m", "o")))
see("args", EventError("m", "o").args)
see("without arguments", attempt(lambda: parts(EventError())))

error = EventError("a")
error += "b"
see("+= text", [type(error).__name__, *parts(error)])
error += ["c", "d"]
see("+= list", parts(error))
error += E3Error(["e", "f"], "other")
see("+= E3Error", parts(error))
error += EventError(None)
see("+= empty error", parts(error))

messages = ["a"]
mine = EventError(messages)
mine += "b"
see("the list given is not changed", messages)
see("E3Error alone", parts(E3Error(None)))
see("pickled", attempt(lambda: parts(pickle.loads(pickle.dumps(EventError(["a"], "o"))))))


class Special(EventError):
    pass


see("a subclass without message", str(Special(None)))
try:
    raise e3.event.EventError("caught", "here")
except E3Error as caught:
    see("caught as E3Error", parts(caught))
