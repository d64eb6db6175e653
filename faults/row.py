"""A row: one kind of fault, how often it is caused, and what must be seen to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bench import Bench, Outcome
    from .machine import Need


#: What a row is called in the list of faults: a number, or for hostile input H and a number.
Number = int | str


@dataclass(frozen=True)
class Row:
    """One kind of fault.

    :ivar number: of the row in the list of faults
    :ivar what: the fault in a few words
    :ivar trial: causes it at least once, and says what broke
    :ivar scaled: runs of `make faults`
    :ivar full: runs of `make faults-full`, or what finds out how many there are
    :ivar controls: names of the broken variants that it must catch first
    :ivar needs: what the machine must have
    :ivar unit: what a run is
    :ivar tries: trials in which a control must be caught
    :ivar short: trials of `make test`
    """

    number: Number
    what: str
    trial: Callable[[Bench], Outcome]
    scaled: int
    full: int | Callable[[Bench], int]
    controls: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    unit: str = "runs"
    tries: int = 20
    short: int = 1
