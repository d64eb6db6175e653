"""A private radosgw (Ceph's S3 server) with a monitor and one disk daemon that keeps objects in memory."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from handler.s3_server import S3Server, free_port, wait_for_http

#: What must be installed.
PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")

_CONFIGURATION = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = v2:127.0.0.1:{mon_port}
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
run dir = {folder}
crash dir = {folder}
admin socket =
log file = {folder}/$type.$id.log
mon data = {folder}/mon
mon allow pool size one = true
mon warn on pool no redundancy = false
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off

[client.rgw.a]
auth client required = none
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw data = {folder}/rgw
rgw thread pool size = 16
rgw crypt require ssl = false
rgw crypt default encryption key = {key}
"""


def missing_programs() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]


@contextlib.contextmanager
def running_radosgw(folder: Path) -> Iterator[S3Server]:
    """Start the three daemons in *folder* on free ports of the loopback address, make a user, stop them.

    :raises subprocess.CalledProcessError: a step failed; the daemons' logs are in *folder*
    """
    fsid, disk = str(uuid.uuid4()), str(uuid.uuid4())
    mon_port, port = free_port(), free_port()
    for part in ("mon", "osd", "rgw"):
        (folder / part).mkdir()
    key = base64.b64encode(os.urandom(32)).decode()
    settings = {"folder": folder, "fsid": fsid, "mon_port": mon_port, "port": port, "key": key}
    (folder / "ceph.conf").write_text(_CONFIGURATION.format(**settings))
    server = S3Server(f"http://127.0.0.1:{port}", "the-access-key", os.urandom(20).hex())

    def run(*command: str) -> None:
        with (folder / "commands.log").open("ab") as log:
            subprocess.run([*command, "-c", conf], check=True, stdout=log, stderr=log, timeout=60)

    with contextlib.ExitStack() as daemons:

        def start(*command: str) -> subprocess.Popen[bytes]:
            with (folder / f"{command[0]}.out").open("wb") as log:
                process = subprocess.Popen([*command, "-c", conf, "-f"], stdout=log, stderr=log)
            daemons.callback(_stop, process)
            return process

        conf, monmap = str(folder / "ceph.conf"), str(folder / "monmap")
        run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon_port}]", monmap)
        run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        start("ceph-mon", "-i", "a")
        run("ceph", "osd", "new", disk, "0")
        run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        start("ceph-osd", "-i", "0")
        gateway = start("radosgw", "-n", "client.rgw.a")
        wait_for_http(server.url, lambda: gateway.poll() is None, seconds=90)
        keys = ("--access-key", server.access_key, "--secret-key", server.secret_key)
        run("radosgw-admin", "user", "create", "--uid", "tester", "--display-name", "tester", *keys)
        yield server


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
