#!/bin/sh
# Usage: setup.sh PYTHON VENV LOCKFILE. Makes the virtual environment and installs what the lock names. Idempotent.
set -eu
python=$1 venv=$2 lock=$3
fail() { echo "ferry: $*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python is missing: apt-get install python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	fail "Python 3.11 or newer is needed, $python is $("$python" -V 2>&1 | cut -d' ' -f2)"
if ! [ -x "$venv/bin/pip" ]; then
	"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "Python's venv module is missing: apt-get install python3-venv"
	echo "ferry: making $venv"
	"$python" -m venv "$venv"
fi
log=$venv/setup.log
pip() { PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/pip" "$@" >"$log" 2>&1; }

echo "ferry: installing what $lock names"
pip install --require-hashes -r "$lock" ||
	fail "the packages could not be installed, is the network there? pip says: $(grep -m1 -i error "$log" || tail -n1 "$log") (all of it: $log)"
pip install --no-index --no-deps --no-build-isolation -e . || fail "Ferry itself could not be installed, see $log"
