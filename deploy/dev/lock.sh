#!/usr/bin/env bash
# Write requirements.lock from pyproject.toml: every release with the hashes of all its files, for every platform and
# Python from 3.11 on, resolved by uv (taken into a temporary environment; nothing else needs it). Releases already
# locked stay unless `--upgrade` is passed. The lock names no index, so that it works behind any mirror.
set -euo pipefail
# shellcheck source=deploy/dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work"
"$work/bin/python" -m pip -qq --disable-pip-version-check install uv
"$work/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 --fork-strategy fewest --extra dev \
  --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" \
  "$@" --output-file requirements.lock pyproject.toml
