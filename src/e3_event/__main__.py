"""`python -m e3_event` is the command `e3-event`."""

from e3_event.cli import main

main()
