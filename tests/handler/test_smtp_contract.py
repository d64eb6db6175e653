"""smtp: what every handler must do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e3_event import EventHandler
from e3_event.handler.smtp import SMTPHandler
from e3_event.testing import HandlerContract
from handler.smtp_server import MailServer, ca_file, mail_server, server_context

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestHandlerContract(HandlerContract):
    @pytest.fixture(autouse=True)
    def running(self) -> Iterator[None]:
        with mail_server(server_context()) as server:
            self.server: MailServer = server
            yield
            self.handler.close()

    def make_handler(self, tmp_path: Path) -> EventHandler:
        self.handler = SMTPHandler(
            "{name}", "from@example.net", "to@example.net", self.server.url, ca_file=ca_file(tmp_path)
        )
        return self.handler

    def received(self, handler: EventHandler, tmp_path: Path) -> list[str]:
        first = [next(iter(mail.message.iter_parts())) for mail in self.server.mails]
        return [json.loads(part.get_content())["name"] for part in first]
