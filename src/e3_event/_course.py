"""An event of `record` or of the command, from its beginning to its delivery."""

from __future__ import annotations

from ._attempt import Attempt
from ._logger import logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._event import Event
    from ._handler import EventHandler
    from ._manager import EventManager
    from ._masking import Masking
    from ._report import Report
    from .spool._runs import Run


class Course:
    """What a manager does for an event that takes its time. Nothing here raises because something failed.

    :param manager: with its spool and its handlers. What it has to have (see `configure`) it needs when the
        event begins
    :param scope: in what secrets are masked, one of `SCOPES`; by default what the configuration says
    :ivar problems: what went wrong at its beginning
    :ivar report: what became of the event; `None`: nobody took it yet
    """

    def __init__(self, manager: EventManager, event: Event, scope: str | None = None) -> None:
        self._manager = manager
        self._event = event
        self._scope = scope
        self._masking: Masking | None = None
        self._run: Run | None = None
        self.problems: list[str] = []
        self.report: Report | None = None

    def begin(self, attachments: Mapping[str, str] | None = None, max_log: int = 0) -> None:
        """Write down that it begins, so that the event comes even if this process is killed.

        :param attachments: paths of what belongs to it, by name; the event then gets what is there
        :param max_log: bytes of its output that are kept in `log`
        """
        manager = self._manager
        _, front = self._front()
        begin = getattr(front, "begin", None)
        if begin is None:
            return
        behind = manager._behind(front) if manager._setup.complete else None
        masking = self.masking
        # Whoever makes the event of a run that was killed does not know our secrets: it could not mask files.
        paths = {} if masking.is_for_all else attachments or {}
        with Attempt() as attempt:
            self._run = begin(masking.data(self._event), behind, manager._setup.named, paths, max_log)
        if not attempt.delivered:
            self.problems.append(f"nobody would have heard of it, had it been killed: {attempt.reason}")

    @property
    def log(self) -> str:
        """A path for its output, where it is found if this process is killed; empty: there is none."""
        return "" if self._run is None else self._run.log

    @property
    def masking(self) -> Masking:
        """Masks its secrets."""
        if self._masking is None:
            from ._masking import Masking

            self._masking = Masking(self._manager._setup.redact, self._scope)
        return self._masking

    def send(self, timeout: float | None = None, *, insist: bool = False) -> Report:
        """Send the event: into the spool that is set up, if there is one, and from there to the handlers.

        :param timeout: seconds for which it is delivered from a spool; by default the manager's
            `flush_timeout`
        :param insist: whether that time is waited for others who deliver it, and sinks that are down
        """
        try:
            self.report = self._accept()
        finally:
            self.masking.close()
        self.report = self._follow(self.report, timeout, insist=insist)
        return self.report

    def _front(self) -> tuple[str, EventHandler | None]:
        """The spool that takes it, and its name."""
        return self._manager._setup.front or self._manager._front()

    def _accept(self) -> Report:
        """Have the event taken, and then those of what was killed."""
        event, run = self._event, self._run
        with Attempt():  # what can't be read is told for each handler
            known = ("", "") if run is None else (run.snapshot_id, run.copies)
            event = self.masking.whole(event, *known)
        name, front = self._front()
        report = self._manager._dispatch(event, name, front)
        is_taken = any(outcome.in_front and outcome.delivered for outcome in report.outcomes)
        for problem in self.problems if is_taken else ():
            logger.warning("%r: %s", event, problem)
        if run is not None:
            with Attempt() as ending:
                run.end() if report.kept else run.settle(event)
            if not ending.delivered:
                logger.error("%r may come again, as aborted: %s", self._event, ending.reason)
        adopt = getattr(front, "adopt", None)
        if adopt and is_taken:
            with Attempt() as adopting:
                adopt()
            if not adopting.delivered:
                logger.error("what was killed is told of later: %s", adopting.reason)
        return report

    def _follow(self, report: Report, timeout: float | None, *, insist: bool) -> Report:
        """Deliver what was accepted; return what has become of it."""
        manager, event = self._manager, self._event
        _, front = self._front()
        seconds = manager.flush_timeout if timeout is None else timeout
        if front is None or not report.waiting or not seconds > 0:
            return report
        with Attempt() as following:
            from ._flush import follow

            report = follow(manager, front, report, seconds, insist=insist)
        if not following.delivered:
            logger.error("%r: what the spool holds is delivered later: %s", event, following.reason)
            report = _waits(report, following.reason)
        manager._tell(event, report.failed)
        return report


def _waits(report: Report, reason: str) -> Report:
    """A report that says why what waits was not delivered."""
    outcomes = [one._replace(reason=reason) if one.waiting else one for one in report.outcomes]
    return report._replace(outcomes=tuple(outcomes))


def tell_of_waiting(event: Event, report: Report) -> None:
    """Log what waits for a reason other than its turn."""
    for outcome in report.waiting:
        if outcome.reason:
            logger.warning("%r waits for %s: %s", event, outcome.handler, outcome.reason)
