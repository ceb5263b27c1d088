#!/usr/bin/env bash
# A throw-away PostgreSQL for tests in a folder of its own: postgres.sh start|stop|crash DIR. `start` makes it the first
# time and starts it again later, on the same port; DIR/urls then says where two roles find it, as NAME=URL lines:
# TEST_POSTGRES_OWNER_URL may make databases, TEST_POSTGRES_URL may nothing. Whoever may open DIR/socket is trusted; over
# TCP, on the loopback address only, a password is asked for. Nothing in it outlives a power cut.
set -euo pipefail
umask 077
# shellcheck source=deploy/dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[[ $# == 2 && $1 =~ ^(start|stop|crash)$ ]] || fail "usage: postgres.sh start|stop|crash DIR"
action=$1 dir=$2

# PostgreSQL refuses to run as root.
as=()
((EUID != 0)) || as=(runuser -u postgres --)

# Sets `bin`: the folder of the newest PostgreSQL that is installed. Debian keeps the server's programs off the PATH.
find_bin() {
  local found
  found=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1) || true
  found=${found:-$(command -v initdb || true)}
  [[ -n $found ]] || fail "There is no PostgreSQL server here; its Debian package is named postgresql"
  bin=$(dirname "$found")
}

control() { "${as[@]}" "$bin/pg_ctl" --silent -D "$dir/data" "$@" >/dev/null </dev/null; }
secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

make_cluster() {
  local port
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  mkdir -p "$dir/socket"
  ((EUID != 0)) || chown -R postgres: "$dir"
  # Text sorts by its bytes, as in SQLite.
  "${as[@]}" "$bin/initdb" --no-sync -D "$dir/data" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --lc-collate=C \
    --auth-local=trust --auth-host=scram-sha-256 >/dev/null </dev/null
  "${as[@]}" tee -a "$dir/data/postgresql.conf" >/dev/null <<CONFIGURATION
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir/socket'
fsync = off
full_page_writes = off
shared_buffers = 32MB
max_connections = 40
CONFIGURATION
}

make_roles() {
  local port owner application
  port=$(sed -n 's/^port = //p' "$dir/data/postgresql.conf" | tail -n 1)
  owner=$(secret) application=$(secret)
  "${as[@]}" "$bin/psql" -qX -v ON_ERROR_STOP=1 -h "$dir/socket" -p "$port" -U postgres -d postgres <<SQL
CREATE ROLE sealdock_owner LOGIN CREATEDB PASSWORD '$owner';
CREATE ROLE sealdock LOGIN PASSWORD '$application';
SQL
  cat >"$dir/urls" <<URLS
TEST_POSTGRES_OWNER_URL=postgresql+psycopg://sealdock_owner:$owner@127.0.0.1:$port/postgres
TEST_POSTGRES_URL=postgresql+psycopg://sealdock:$application@127.0.0.1:$port/postgres
URLS
}

find_bin
case $action in
  start)
    [[ -d $dir/data ]] || make_cluster
    control --wait -l "$dir/log" start || fail "PostgreSQL did not start; it said: $(tail -n 5 "$dir/log" 2>/dev/null)"
    [[ -f $dir/urls ]] || make_roles
    ;;
  stop) control --wait -m fast stop ;;
  crash) control --wait -m immediate stop ;;
esac
