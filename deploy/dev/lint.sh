#!/usr/bin/env bash
# Every static check, each of them run even when one before it fails; exit code 1 if any did.
set -euo pipefail
# shellcheck source=deploy/dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

status=0
check() {
  echo "== $*"
  "$venv/bin/$1" "${@:2}" || status=1
}

mapfile -t shipped < <(rooms)
check ruff check .
check ruff format --check .
check mypy "${shipped[@]}" deploy bench
check lint-imports --no-logo
exit "$status"
