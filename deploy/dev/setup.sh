#!/usr/bin/env bash
# Install what sealdock needs to run and be tested: system packages, a virtual environment in .venv, the locked
# dependencies, sealdock itself (editable). Does only what is missing; with nothing missing it needs no network.
# Arguments name further programs to have, each from the system package of its own name, or of another: program=package;
# what begins with a slash is a file or a folder.
set -euo pipefail
umask 022 # the test user has to read what root installs
# shellcheck source=deploy/dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd /
programs=("$@")

# Whether the test user can run this Python, and it is new enough. A Python below /root runs for root alone.
suitable() {
  "${tester[@]}" "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Debian and Ubuntu ship the means to make a virtual environment apart from Python.
can_make_venv() {
  "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

# Sets `python`: the first suitable one that can make a virtual environment, else the first suitable one, else empty.
# Root takes the system's first: what root finds on its PATH others often cannot run.
find_python() {
  local candidates=(python3 python3.14 python3.13 python3.12 python3.11) candidate path
  if ((EUID == 0)); then
    candidates=(/usr/bin/python3 "${candidates[@]/#//usr/bin/}" "${candidates[@]}")
  fi
  [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
  python=
  for candidate in "${candidates[@]}"; do
    if ! path=$(command -v "$candidate") || ! suitable "$path"; then continue; fi
    python=${python:-$path}
    if can_make_venv "$path"; then
      python=$path
      return
    fi
  done
}

# Whether a program is installed, or a file there; Debian keeps the programs of PostgreSQL's server off the PATH.
have() {
  if [[ $1 == /* ]]; then
    [[ -e $1 ]]
    return
  fi
  command -v "$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

# Sets `missing`: the system packages that have to be installed.
find_missing() {
  local libraries program
  missing=()
  command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || missing+=(ffmpeg)
  command -v openssl >/dev/null || missing+=(openssl)
  for program in "${programs[@]}"; do
    have "${program%%=*}" || missing+=("${program##*=}")
  done
  # opencv-python is linked against these, though sealdock opens no window.
  libraries=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p)
  [[ $libraries == *libGL.so.1* ]] || missing+=(libgl1)
  [[ $libraries == *libgthread-2.0.so.0* ]] || missing+=(libglib2.0-0)
  [[ $libraries == *libxcb.so.1* ]] || missing+=(libxcb1)
  find_python
  if [[ -z $python ]]; then
    [[ -n ${PYTHON:-} || -e /usr/bin/python3 ]] || missing+=(python3 python3-venv)
  elif ! can_make_venv "$python"; then
    case $(readlink -f "$python") in
      /usr/bin/python3.*) missing+=("$(basename "$(readlink -f "$python")")-venv") ;;
      *) fail "$python has no ensurepip module, so it cannot make a virtual environment; name another: make setup PYTHON=/path/to/python3" ;;
    esac
  fi
}

install_packages() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq)
  if ! command -v apt-get >/dev/null; then
    fail "These are missing, named as Debian names them; please install them and run this again: $*"
  elif ((EUID != 0)); then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      apt=(sudo -n "${apt[@]}")
    else
      fail "These system packages are missing; please have them installed and run this again: sudo apt-get install $*"
    fi
  fi
  echo "Installing system packages: $*"
  if ! { "${apt[@]}" update && "${apt[@]}" install --yes --no-install-recommends "$@" >/dev/null; } </dev/null; then
    fail "apt-get could not install these system packages: $*"
  fi
}

find_missing
if ((${#missing[@]})); then
  install_packages "${missing[@]}"
  find_missing
  ((${#missing[@]} == 0)) || fail "Installed, and still not found: ${missing[*]}"
fi
if [[ -z $python && -n ${PYTHON:-} ]]; then
  fail "$PYTHON is not a Python 3.11 or newer that an ordinary user can run; name another: make setup PYTHON=/path/to/python3"
elif [[ -z $python ]]; then
  fail "sealdock needs Python 3.11 or newer that an ordinary user can run, and found none (Debian 12 and Ubuntu 24.04 ship one); install it, or name it: make setup PYTHON=/path/to/python3"
fi

# Two marks: what the environment was made from, and what sealdock itself was linked from.
mark=$venv/.made-from
base=$(printf '%s\n' "$root" "$("$python" -c 'import sys; print(sys.executable, sys.version)')" && sha256sum <"$root/requirements.lock")
link=$(sha256sum <"$root/pyproject.toml")
made_from() { [[ -f $mark.$1 && $(<"$mark.$1") == "$2" ]]; }
pip=("$venv/bin/python" -m pip -qq --disable-pip-version-check --no-input)

if ! made_from base "$base" || ! "$venv/bin/python" -c '' 2>/dev/null; then
  # Making it anew empties it first, and a link would empty somebody else's.
  [[ ! -L $venv ]] || fail "$venv is a link, and what it leads to does not fit this checkout; remove the link and run this again"
  echo "Making .venv with $python and the locked dependencies"
  "$python" -m venv --clear "$venv"
  # Wheels only: building from source would run code that no hash covers.
  "${pip[@]}" install --require-hashes --only-binary :all: -r "$root/requirements.lock"
  printf '%s\n' "$base" >"$mark.base"
fi
if ! made_from link "$link"; then
  "${pip[@]}" install --no-index --no-deps --no-build-isolation -e "$root"
  printf '%s\n' "$link" >"$mark.link"
fi
