"""What the tests of logs share: what is expected of one, and how a finished one is taken apart."""

from __future__ import annotations

import re

LINE = re.compile(
    rb"\n\[e3-event: (\d+) bytes (?:cut here; --max-log keeps [^\]]*|are missing here; they [a-z ]*)\]\n"
)


def expected(data: bytes, limit: int) -> bytes:
    """What is kept of an output without line ends: the simple model."""
    quarter = limit // 4
    half = limit - 2 * quarter
    if len(data) <= limit:
        return data
    behind = len(data) - half
    tail = quarter + (behind - 1) % quarter + 1  # a whole piece and the one that is being written
    cut = behind - tail
    amount = f"{limit // 1024} KiB" if limit % 1024 == 0 else f"{limit} bytes"
    line = f"\n[e3-event: {cut} bytes cut here; --max-log keeps {amount}]\n".encode()
    return data[:half] + line + data[-tail:]


def numbered(size: int) -> bytes:
    """Bytes without a line end that tell where they come from: each 8 of them are a number."""
    return b"".join(b"%08d" % (number * 8 % 10**8) for number in range(size // 8 + 1))[:size]


def check_parts(log: bytes, data: bytes) -> int:
    """Check that a log is the output but for what its lines say is missing; return how much that is.

    :param data: the output, up to the end that is expected in the log
    """
    position = missing = 0
    parts = LINE.split(log)
    for number in range(0, len(parts), 2):
        assert data[position : position + len(parts[number])] == parts[number]
        position += len(parts[number])
        if number + 1 < len(parts):
            position += int(parts[number + 1])
            missing += int(parts[number + 1])
    assert position == len(data)
    return missing
