"""Row H1: a dump names files that its author can't read, so that somebody who can sends them to him."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .attack import attacked, losses_of, tell
from .dumps import WAYS, RefusedError, Way, holds

if TYPE_CHECKING:
    from random import Random

    from .bench import Bench, Outcome
    from .child import Child

#: Attacks of one trial, and of one of `make test`.
ATTACKS, FEW = 20, 12


class Scene:
    """What there is to be had.

    :param folder: is made for it
    :ivar out: what the victim writes goes below this
    :ivar secret: every 80 bytes of its files hold this
    """

    def __init__(self, folder: Path, random: Random) -> None:
        self.folder, self.out = folder, folder / "out"
        self.out.mkdir(parents=True)
        self.secret = random.randbytes(20).hex().encode()
        (folder / "small").write_bytes(self.secret * 20)
        (folder / "large").write_bytes(self.secret * 1500)
        (folder / "open").write_bytes(b"what anybody may read" * random.choice((1, 3000)))
        (folder / "link").symlink_to("small")
        os.mkfifo(folder / "fifo")

    def path(self, random: Random) -> str:
        """What a dump may name."""
        inside = [str(self.folder / name) for name in ("small", "large", "link", "fifo", "absent", "")]
        odd = ["/etc/shadow", "/dev/zero", "/proc/self/environ", "nul\0", "", "/", "\n"]
        return random.choice([*inside, *odd, os.path.relpath(self.folder / "small"), "/proc/self/cwd"])

    def swap(self, random: Random) -> None:
        """Let the file that anybody may read be another one."""
        (self.folder / "open").unlink()
        target = random.choice(("small", "large", "fifo"))
        random.choice((os.symlink, os.link))(self.folder / target, self.folder / "open")


def betray(bench: Bench) -> Outcome:
    """Name all kinds of files in dumps; let the file that is named become another one meanwhile."""
    attacks = FEW if bench.is_short else ATTACKS
    return attacked(bench, load_all, attacks=attacks, env={"HOME": bench.folder})


def load_all(child: Child) -> None:
    def attack() -> list[str]:
        scene = Scene(Path(child.beside("scene")), child.random)
        way = child.random.choice(WAYS)
        kind = child.random.choice((_name_a_secret, _name_a_secret, _swap, _name_what_is_open))
        losses = losses_of(f"{kind.__name__[1:]}, {way.__name__[1:]}", lambda: kind(scene, way, child.random))
        shutil.rmtree(scene.folder)
        return losses

    tell(child, (attack() for _ in range(child.options["attacks"])))


def _name_a_secret(scene: Scene, way: Way, random: Random) -> list[str]:
    path = scene.path(random)
    sha1 = random.choice(("", "0" * 40, hashlib.sha1(b"").hexdigest(), _sha1(scene, "open"), "../.."))
    losses = _sent(scene, way, path, sha1, lambda: None)
    return losses + ([] if holds(scene.out, b'attachments_left_out"') else [f"{path!r} is not left out"])


def _swap(scene: Scene, way: Way, random: Random) -> list[str]:
    """The dump is right when it is loaded, and the file another one when it is read."""
    try:
        return _sent(scene, way, str(scene.folder / "open"), _sha1(scene, "open"), lambda: scene.swap(random))
    except RefusedError:  # without a spool nothing else can be done
        return [] if not holds(scene.out, scene.secret) else ["a secret was sent"]


def _name_what_is_open(scene: Scene, way: Way, _random: Random) -> list[str]:
    """Nothing is wrong with it; so it has to be sent."""
    losses = _sent(scene, way, str(scene.folder / "open"), _sha1(scene, "open"), lambda: None)
    return losses + ([] if holds(scene.out, b"what anybody may read") else ["what is right was not sent"])


def _sha1(scene: Scene, name: str) -> str:
    return hashlib.sha1((scene.folder / name).read_bytes()).hexdigest()


def _sent(scene: Scene, way: Way, path: str, sha1: str, between: Callable[[], None]) -> list[str]:
    """Let a dump in. The event has to come through, the secret has to stay."""
    dump = scene.folder / "dump.json"
    data = {"uid": "u", "name": "hostile"}
    dump.write_text(json.dumps({"data": data, "attachments": {"log": (path, sha1)}, "closed": True}))
    way(str(dump), scene.out, between)
    losses = [] if holds(scene.out, b"hostile") else ["the event itself is lost"]
    if holds(scene.out, scene.secret):
        losses.append(f"a secret was sent: {path!r}")
    return losses
