#!/usr/bin/env bash
# Run the tests in .venv (made by setup.sh) as an ordinary user; arguments go to pytest. When root calls, that user is
# `nobody`, and a checkout that nobody cannot read is copied to a temporary folder, removed afterwards. When root runs all
# tests, a Ceph is started for those of an S3 vault (ceph.sh); for some tests, start one and name it by its variables.
set -euo pipefail
umask 022
# shellcheck source=deploy/dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd /

path=$venv/bin:$PATH
((EUID != 0)) || path=$venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Not /tmp: that is memory on newer systems, and tests that ask the disk would ask nothing.
temporary=${TMPDIR:-/var/tmp}
"${tester[@]}" test -x "$temporary" || temporary=/var/tmp
work=$(mktemp -d "$temporary/sealdock.XXXXXX")
# Tests start the PostgreSQL that they need, as deploy/dev/postgres.sh says; one whose test was killed ends here.
clean_up() {
  local left
  for left in "$work"/tmp/sealdock-pg.*; do
    [[ ! -d $left ]] || "${tester[@]}" "$tree/deploy/dev/postgres.sh" crash "$left" 2>/dev/null || true
  done
  [[ ! -e $work/ceph ]] || "$root/deploy/dev/ceph.sh" stop "$work/ceph"
  chmod -R u+rwX "$work" 2>/dev/null || true
  rm -rf "$work"
}
tree=$root
trap clean_up EXIT
mkdir "$work/home" "$work/tmp"
if ((EUID == 0)); then
  chmod 755 "$work"
  chown "$(id -u nobody):$(id -g nobody)" "$work/home" "$work/tmp"
fi

# Made by other targets, not read by any test, and possibly private to whoever ran them.
aside=(.git build demo-home .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis)

# Whether the test user can read all of a folder.
readable() {
  local skip=(-name "${aside[0]}") name found
  for name in "${aside[@]:1}"; do skip+=(-o -name "$name"); done
  found=$("${tester[@]}" find "$1" \( "${skip[@]}" \) -prune -o ! -type l \( ! -readable -o -type d ! -executable \) -print -quit 2>/dev/null) && [[ -z $found ]]
}

# copy FROM TO: a copy that everyone can read.
copy() {
  mkdir -p "$2"
  tar -C "$1" "${aside[@]/#/--exclude=./}" -cf - . | tar -C "$2" --no-same-owner -xf -
  chmod -R a+rX "$2"
}

if ! readable "$root"; then
  tree=$work/sealdock
  copy "$root" "$tree"
  # The copy's sealdock command and imports have to lead into the copy.
  "$tree/.venv/bin/python" -m pip -qq --disable-pip-version-check install --no-index --no-deps --no-build-isolation -e "$tree"
  path=$tree/.venv/bin:${path#*:}
fi

# Real camera files, where the machine has them beside the checkout.
corpus=${TEST_CORPUS:-$(dirname "$root")/shared/corpus}
if [[ ! -d $corpus ]]; then
  corpus=
elif ! readable "$corpus"; then
  copy "$corpus" "$work/corpus"
  corpus=$work/corpus
fi

bare=()
options=()
if ! "${tester[@]}" test -w "$tree"; then
  # The test user cannot keep bytecode or pytest's cache there: the bytecode is made for it, the cache goes.
  (cd "$tree" && rooms | xargs -d '\n' "$tree/.venv/bin/python" -m compileall -q) || true
  bare=(PYTHONDONTWRITEBYTECODE=1)
  options=(-p no:cacheprovider)
fi

# Sets `store`: the S3 store for tests, as variables.
store=()
if [[ -n ${TEST_S3_ENDPOINT:-} ]]; then
  mapfile -t store < <(env | grep ^TEST_S3_)
elif ((EUID == 0 && $# == 0)); then
  port=$("$venv/bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
  "$root/deploy/dev/ceph.sh" start "$work/ceph" "$port"
  mapfile -t store <"$work/ceph/environment"
fi

cd "$tree"
# run USER... :: ARGUMENTS...: pytest with a clean environment, as the user that the first words lead to.
run() {
  local as=()
  while [[ $1 != :: ]]; do as+=("$1") && shift; done
  shift
  "${as[@]}" env -i "${bare[@]}" \
    PATH="$path" HOME="$work/home" TMPDIR="$work/tmp" LANG=C.UTF-8 TERM="${TERM:-dumb}" ${CI:+"CI=$CI"} \
    HYPOTHESIS_STORAGE_DIRECTORY="$work/tmp/hypothesis" ${corpus:+"TEST_CORPUS=$corpus"} "${store[@]}" \
    ${TEST_POSTGRES_URL:+"TEST_POSTGRES_URL=$TEST_POSTGRES_URL" "TEST_POSTGRES_OWNER_URL=$TEST_POSTGRES_OWNER_URL"} \
    "$tree/.venv/bin/python" -m pytest "${options[@]}" "$@" </dev/null
}

# Devices, mounts and immutable files are root's; everything else is an ordinary user's. Only a whole run does both.
status=0
if ((EUID == 0 && $# == 0)); then
  echo "What only root can do:"
  run :: -q -m root -p no:cacheprovider --basetemp="$work/root" || status=1
  echo "Everything else, as nobody:"
  set -- -m "not root"
fi
# A worker for each processor; a later `-n 0` (for --pdb or -s) wins.
run "${tester[@]}" :: -n "$(nproc)" --dist worksteal "$@" || status=$?
exit "$status"
