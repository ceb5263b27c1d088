#!/usr/bin/env bash
# A throw-away PostgreSQL for tests in a folder of its own: postgres.sh start|register|stop|crash DIR. `start` makes it
# the first time and starts it again later, on the same port; DIR/urls then says where two roles find it, as NAME=URL
# lines: TEST_POSTGRES_OWNER_URL may make databases, TEST_POSTGRES_URL may nothing. `register` does the same, makes a
# database for a register and prints a station's settings, for a shell to eval. Whoever may open DIR/socket is trusted;
# over TCP, on the loopback address only, a password is asked for. Nothing in it outlives a power cut.
set -euo pipefail
umask 077
# shellcheck source=deploy/dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[[ $# == 2 && $1 =~ ^(start|register|stop|crash)$ ]] || fail "usage: postgres.sh start|register|stop|crash DIR"
action=$1 dir=$(realpath -m "$2")

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
  if ((EUID == 0)) && ! "${as[@]}" test -x "$(dirname "$dir")"; then
    fail "The user postgres cannot get into the folder that $dir is in; name another"
  fi
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

start() {
  [[ -d $dir/data ]] || make_cluster
  control --wait -l "$dir/log" start || fail "PostgreSQL did not start; it said: $(tail -n 5 "$dir/log" 2>/dev/null)"
  [[ -f $dir/urls ]] || make_roles
}

# A database for a register, as docs/operations.md has it, and the settings of a home whose register it is.
register() {
  local port
  start
  port=$(sed -n 's/^port = //p' "$dir/data/postgresql.conf" | tail -n 1)
  "${as[@]}" "$bin/psql" -qX -v ON_ERROR_STOP=1 -h "$dir/socket" -p "$port" -U postgres -d postgres <<'SQL'
CREATE DATABASE sealdock OWNER sealdock_owner TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8';
REVOKE ALL ON DATABASE sealdock FROM PUBLIC;
GRANT CONNECT ON DATABASE sealdock TO sealdock;
SQL
  sed -n -e 's|^TEST_POSTGRES_OWNER_URL=\(.*\)/postgres$|export SEALDOCK_DATABASE_OWNER_URL=\1/sealdock|p' \
    -e 's|^TEST_POSTGRES_URL=\(.*\)/postgres$|export SEALDOCK_DATABASE_URL=\1/sealdock|p' "$dir/urls"
}

find_bin
case $action in
  start) start ;;
  register) register ;;
  stop) control --wait -m fast stop ;;
  crash) control --wait -m immediate stop ;;
esac
