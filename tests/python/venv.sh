#!/usr/bin/env bash
# Makes the virtual environment of the interoperability tests, if it is not
# there or its requirements have changed, and prints its Python as the only
# line on stdout. Concurrent callers wait for each other.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${ACTIX_ZMQ_VENV:-$here/../../target/interop-venv}"

if ! command -v python3 >/dev/null; then
  echo "interop: python3 is missing; install it, or set ACTIX_ZMQ_SKIP_INTEROP=1" >&2
  exit 1
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  echo "interop: python3 has no venv module; install python3-venv, or set ACTIX_ZMQ_SKIP_INTEROP=1" >&2
  exit 1
fi

mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  # Last, so that an interrupted installation is made again.
  cp "$here/requirements.txt" "$venv/requirements.txt"
fi
echo "$venv/bin/python"
