#!/usr/bin/env bash
# A Ceph cluster of one node with an S3 gateway, on loopback, for tests: a monitor, one OSD on a sparse file, a gateway.
#   ceph.sh start DIR [PORT [GIB]]   make it in a new folder DIR; the monitor takes the port after PORT (default
#                                    7480), and what is stored at most GIB (default 10)
#   ceph.sh vault DIR [PORT [GIB]]   the same with a bucket for a vault; prints a station's settings, for a shell
#                                    to eval
#   ceph.sh stop DIR                 end what runs there and remove DIR
#   ceph.sh kill DIR WHAT            kill `gateway` or `osd` as a crash would, and wait until it is gone
#   ceph.sh revive DIR WHAT          start it again; for the gateway, wait until it answers
# What pytest has to know is left in DIR/environment. The keys there are for tests and open nothing else.
# Needs root, and the Debian packages ceph-mon, ceph-osd, radosgw and ceph-common. No systemd, no manager daemon.
set -euo pipefail
umask 022
# shellcheck source=deploy/dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  sed -n '2,11s/^# //p' "$0" >&2
  exit 2
}
action=${1:-} dir=${2:-} port=7480 gib=10
[[ $action != start && $action != vault ]] || { port=${3:-$port} gib=${4:-$gib}; }
[[ -n $dir ]] || usage

configure() {
  cat >ceph.conf <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$((port + 1))]
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
ms bind ipv4 = true
public network = 127.0.0.0/8
keyring = $dir/keyring
run dir = $dir/run
pid file = $dir/run/\$name.pid
log file = $dir/log/\$name.log
admin socket =
crash dir = $dir/log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
[mon.a]
mon data = $dir/mon
[osd]
osd data = $dir/osd
osd objectstore = bluestore
bluestore block size = $((gib << 30))
bluestore block create = true
osd memory target = 939524096
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw enable usage log = false
CONF
}

make_keys() {
  ceph-authtool --create-keyring keyring --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool keyring --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  ceph-authtool keyring --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
  ceph-authtool keyring --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
}

start_monitor() {
  monmaptool --create --fsid "$(ceph-conf --lookup fsid)" --addv a "[v2:127.0.0.1:$((port + 1))]" monmap
  ceph-mon --mkfs -i a --monmap monmap --keyring keyring
  ceph-mon -i a
}

start_osd() {
  local uuid
  uuid=$(cat /proc/sys/kernel/random/uuid)
  ceph osd new "$uuid" 0
  ceph-osd -i 0 --mkfs --osd-uuid "$uuid" --keyring keyring
  ceph-osd -i 0
}

start_gateway() {
  radosgw -n client.rgw
  for _ in {1..600}; do
    # Any answer will do: the first one comes when the gateway has made its pools.
    if (exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && read -r -t 5 _ <&3) 2>/dev/null; then
      return
    fi
    sleep 0.1
  done
  echo "The gateway does not answer; see $dir/log" >&2
  return 1
}

# Who stores (station), reads (verifier), holds (custodian), owns the bucket and sets its policy (owner), and who may
# store one MiB (small).
make_users() {
  local user
  for user in station verifier custodian owner small; do
    radosgw-admin user create --uid="$user" --display-name="$user" --access-key="test-$user" --secret-key="test-$user-secret"
  done
  radosgw-admin quota set --quota-scope=user --uid=small --max-size=1048576
  radosgw-admin quota enable --quota-scope=user --uid=small
}

start() {
  ((EUID == 0)) || fail "Only root can start a Ceph here"
  [[ ! -e $dir/ceph.conf ]] || fail "There is a Ceph in $dir already; ceph.sh stop $dir ends and removes it"
  mkdir -p "$dir"/{run,log,mon,osd}
  cd "$dir"
  dir=$PWD
  export CEPH_CONF=$dir/ceph.conf
  configure
  # They tell a lot; it is of interest when they fail.
  { make_keys && start_monitor && start_osd && start_gateway && make_users; } >log/start.log 2>&1 || {
    tail -n 30 log/start.log >&2
    stop
    exit 1
  }
  cat >environment <<ENVIRONMENT
TEST_S3_FOLDER=$dir
TEST_S3_ENDPOINT=http://127.0.0.1:$port
TEST_S3_ACCESS_KEY=test-station
TEST_S3_SECRET_KEY=test-station-secret
TEST_S3_OWNER_ACCESS_KEY=test-owner
TEST_S3_OWNER_SECRET_KEY=test-owner-secret
TEST_S3_SMALL_ACCESS_KEY=test-small
TEST_S3_SMALL_SECRET_KEY=test-small-secret
TEST_S3_VERIFIER_ACCESS_KEY=test-verifier
TEST_S3_VERIFIER_SECRET_KEY=test-verifier-secret
TEST_S3_CUSTODIAN_ACCESS_KEY=test-custodian
TEST_S3_CUSTODIAN_SECRET_KEY=test-custodian-secret
ENVIRONMENT
}

# A bucket of the owner's, with the policy for stations, and the settings of a home whose vault it is.
vault() {
  start
  AWS_ACCESS_KEY_ID=test-owner AWS_SECRET_ACCESS_KEY=test-owner-secret "$venv/bin/python" "$root/deploy/s3/bucket.py" \
    evidence --endpoint-url "http://127.0.0.1:$port" --station station --verifier verifier --custodian custodian \
    --days 1 >log/bucket.log
  (umask 077 && printf '[default]\naws_access_key_id = test-station\naws_secret_access_key = test-station-secret\n' \
    >station.credentials)
  printf 'export SEALDOCK_VAULT_URL=%q SEALDOCK_VAULT_CREDENTIALS_FILE=%q\n' \
    "s3://evidence?endpoint_url=http%3A%2F%2F127.0.0.1%3A$port" "$dir/station.credentials"
}

# end FILE: kill the process that a pid file names.
end() {
  local pid
  pid=$(<"$1")
  kill -KILL "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}

stop() {
  local file
  # Killed, not asked: nothing in there is to be kept.
  for file in "$dir"/run/*.pid; do
    [[ ! -e $file ]] || end "$file"
  done
  rm -rf "$dir"
}

kill_one() {
  case $1 in
    gateway) end "$dir/run/client.rgw.pid" ;;
    osd) end "$dir/run/osd.0.pid" ;;
    *) usage ;;
  esac
}

revive() {
  cd "$dir"
  dir=$PWD
  export CEPH_CONF=$dir/ceph.conf
  case $1 in
    gateway)
      port=$(sed -n 's/^rgw frontends = .*:\([0-9]*\)$/\1/p' ceph.conf)
      start_gateway
      ;;
    osd) ceph-osd -i 0 ;;
    *) usage ;;
  esac >>log/revive.log 2>&1
}

case $action in
  start) start ;;
  vault) vault ;;
  stop) stop ;;
  kill) kill_one "${3:-}" ;;
  revive) revive "${3:-}" ;;
  *) usage ;;
esac
