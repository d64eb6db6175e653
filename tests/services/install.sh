#!/bin/sh
# Installs the servers that `make test-services` starts, unless they are there: Debian's radosgw with a
# monitor and a disk daemon of Ceph.
set -eu

missing=
for program in radosgw:radosgw radosgw-admin:radosgw ceph-mon:ceph-mon ceph-osd:ceph-osd; do
    command -v "${program%%:*}" >/dev/null || missing="$missing ${program##*:}"
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "install these packages of your distribution:$missing" >&2
    exit 1
fi
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
$sudo apt-get update -q
# shellcheck disable=SC2086  several packages
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
