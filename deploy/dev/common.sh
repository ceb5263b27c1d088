# shellcheck shell=bash
# Sourced by the scripts beside it: where the checkout is, and who runs the tests.

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
venv=$root/.venv

# The tests run as an ordinary user: root reads and writes everything, so a permission test run as root proves nothing.
# setpriv keeps root's rights until it has started its command: `env` in between makes sure that the command is found
# with the ordinary user's own.
tester=()
if ((EUID == 0)); then
  tester=(setpriv --reuid "$(id -u nobody)" --regid "$(id -g nobody)" --clear-groups -- env)
fi
export root venv tester

fail() {
  echo "$1" >&2
  exit 1
}

# The modules and top-level packages that pyproject.toml ships, as paths, one a line.
rooms() {
  "$venv/bin/python" - "$root/pyproject.toml" <<'PYTHON'
import sys
import tomllib
from pathlib import Path

shipped = tomllib.loads(Path(sys.argv[1]).read_text("utf-8"))["tool"]["setuptools"]
names = {f"{name}.py" for name in shipped["py-modules"]} | {name.partition(".")[0] for name in shipped["packages"]}
print(*sorted(names), sep="\n")
PYTHON
}
