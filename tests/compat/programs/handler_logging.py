"""The handler `logging`: the records it makes."""

import logging
from typing import Any

from e3.event.handler.logging import LoggingHandler
from observe import attempt, see

from e3.event import Event


class Keeper(logging.Handler):
    """Keeps the records of the handler's loggers."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[list[Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("e3.") or record.name == "myapp":
            self.records.append([record.name, record.levelname, record.getMessage()])


keeper = Keeper()
logging.getLogger().addHandler(keeper)
logging.getLogger().setLevel(1)


def logged(handler: LoggingHandler, **data: Any) -> list[Any]:
    """The answer and the records of one event."""
    keeper.records.clear()
    answer = attempt(handler.send_event, Event("build", "u", **data))
    return [answer, list(keeper.records)]


handler = LoggingHandler()
see("attributes", [handler.logger_name, handler.level])
see("default", logged(handler))
see("a name and a level", logged(LoggingHandler("foo", 30)))
see("by name", logged(LoggingHandler(logger_name="foo.bar", level=logging.ERROR)))
see("a level between", logged(LoggingHandler("foo", 25)))
see("data", logged(LoggingHandler("foo"), z=1, a={"y": [1], "x": "gr\u00fc\u00df"}, p="%s {}"))
see("encode_config", [LoggingHandler().encode_config(), LoggingHandler("foo", 30).encode_config()])
see("decode_config", LoggingHandler.decode_config("foo,30"))
see("decode_config, default", LoggingHandler.decode_config(",10"))
see("decode_config, empty", attempt(LoggingHandler.decode_config, ""))
see("decode_config, one field", attempt(LoggingHandler.decode_config, "foo"))
see("decode_config, three fields", attempt(LoggingHandler.decode_config, "a,b,c"))
see("decode_config, a level's name", attempt(LoggingHandler.decode_config, "foo,INFO"))
see("a level's name", attempt(lambda: LoggingHandler("foo", "INFO").level))
comma = LoggingHandler("a,b").encode_config()
see("a comma in the name", attempt(lambda: LoggingHandler(**LoggingHandler.decode_config(comma)).logger_name))
see("any logger", attempt(lambda: logged(LoggingHandler("myapp", 20, True))))
logging.getLogger("e3.quiet").setLevel(logging.ERROR)
see("a record that is filtered", logged(LoggingHandler("quiet", 10)))
logging.getLogger("e3.local").propagate = False
logging.getLogger("e3.local").addHandler(keeper)
see("a logger with its own handler", logged(LoggingHandler("local", 30)))
see("data that JSON can't hold", logged(LoggingHandler("foo"), x={1}))
