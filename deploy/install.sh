#!/usr/bin/env bash
# Install what runs a station unattended: systemd units, the udev rule for cards, their helpers, and a command
# `sealdock` that works as the station's user. As root, from a checkout in /opt/sealdock in which `make setup` was run:
#   deploy/install.sh [--witness] [DESTDIR]
# With --witness instead what runs a witness (docs/witness.md), which belongs on another computer than any station.
# Nothing is started or enabled; docs/operations.md says how. DESTDIR is put before every path, for packagers.
set -euo pipefail
umask 022
witness=
[[ ${1:-} != --witness ]] || { witness=yes && shift; }
destination=${1:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
units=$destination/etc/systemd/system

put() { install -D --mode="$1" "$2" "$3"; }

if [[ -n $witness ]]; then
  for unit in "$here"/systemd/sealdock-witness*.service "$here"/systemd/sealdock-witness*.timer; do
    put 644 "$unit" "$units/${unit##*/}"
  done
  for unit in witness witness-evidence; do
    put 644 "$here/systemd/witness-hardening.conf" "$units/sealdock-$unit.service.d/10-hardening.conf"
  done
  put 644 "$here/systemd/sealdock-alarm@.service" "$units/sealdock-alarm@.service"
  put 755 "$here/systemd/alarm" "$destination/usr/local/lib/sealdock/alarm"
  put 644 "$here/systemd/witness-sysusers.conf" "$destination/etc/sysusers.d/sealdock-witness.conf"
  mkdir -p "$destination/etc/sealdock"
  if [[ -z $destination ]]; then
    systemd-sysusers /etc/sysusers.d/sealdock-witness.conf
    install -d --mode=700 --owner=sealdock-witness --group=sealdock-witness /var/lib/sealdock-witness
    [[ ! -d /run/systemd/system ]] || systemctl daemon-reload
  fi
  exit
fi

for unit in "$here"/systemd/*.service "$here"/systemd/*.timer; do
  [[ ${unit##*/} == sealdock-witness* ]] && continue
  put 644 "$unit" "$units/${unit##*/}"
done
for unit in watch verify verify-locks locks-roll ledger-publish ledger-check reconcile timestamps vault-copy; do
  put 644 "$here/systemd/hardening.conf" "$units/sealdock-$unit.service.d/10-hardening.conf"
done
put 644 "$here/systemd/sysusers.conf" "$destination/etc/sysusers.d/sealdock.conf"
put 644 "$here/systemd/tmpfiles.conf" "$destination/etc/tmpfiles.d/sealdock.conf"
put 644 "$here/udev/90-sealdock-cards.rules" "$destination/etc/udev/rules.d/90-sealdock-cards.rules"
put 755 "$here/systemd/alarm" "$destination/usr/local/lib/sealdock/alarm"
put 755 "$here/udev/card" "$destination/usr/local/lib/sealdock/card"
put 755 "$here/systemd/sealdock" "$destination/usr/local/bin/sealdock"
mkdir -p "$destination/etc/sealdock"

if [[ -z $destination ]]; then
  systemd-sysusers /etc/sysusers.d/sealdock.conf
  systemd-tmpfiles --create /etc/tmpfiles.d/sealdock.conf
  install -d --mode=700 --owner=sealdock --group=sealdock /var/lib/sealdock
  # Without a running systemd (an image being built) there is nobody to tell.
  [[ ! -d /run/systemd/system ]] || { systemctl daemon-reload && udevadm control --reload; }
fi
