#!/usr/bin/env bash
# Install the programs by others that judge what sealdock writes (tests/support/outside) into .outsiders, an environment
# of their own: their requirements are not ours. Needs .venv (setup.sh); with nothing missing it needs no network.
set -euo pipefail
umask 022 # the test user has to read what root installs
# shellcheck source=deploy/dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd /

outsiders=$root/.outsiders
lock=$root/tests/support/outside/requirements.lock
python=$("$venv/bin/python" -c 'import sys; print(sys._base_executable)')
made_from=$(printf '%s\n' "$root" "$("$python" -c 'import sys; print(sys.executable, sys.version)')" && sha256sum <"$lock")
if [[ -f $outsiders/.made-from && $(<"$outsiders/.made-from") == "$made_from" ]]; then
  exit
fi
echo "Making .outsiders with $python: the programs that judge what sealdock writes"
"$python" -m venv --clear "$outsiders"
# aics-tlog asks for Python 3.12 and runs with 3.11: the tests show that it does.
"$outsiders/bin/python" -m pip -qq --disable-pip-version-check --no-input install --ignore-requires-python \
  --require-hashes --only-binary :all: -r "$lock"
printf '%s\n' "$made_from" >"$outsiders/.made-from"
