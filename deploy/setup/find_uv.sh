#!/bin/sh
# Prints the path of uv, which installs everything else; fetches it into .cache/uv when the machine has none.
set -eu
cd "$(dirname "$0")/../.."
if command -v uv >/dev/null 2>&1; then command -v uv; exit 0; fi
own=$(pwd)/.cache/uv
if [ -x "$own/bin/uv" ]; then printf '%s\n' "$own/bin/uv"; exit 0; fi

python=$(deploy/setup/find_python.sh)
printf 'maru: fetching uv, the installer, into .cache/uv\n' >&2
rm -rf "$own"
if "$python" -m venv "$own" >/dev/null 2>&1; then
  pip="$own/bin/python -m pip"
  place=""
elif rm -rf "$own"; "$python" -m pip --version >/dev/null 2>&1; then
  # Debian splits venv off: pip alone can put uv into a folder of ours.
  pip="$python -m pip"
  place="--target $own/packages"
else
  printf 'maru: %s can neither make environments nor run pip: install python3-venv (Debian, Ubuntu) or uv, and run this again.\n' "$python" >&2
  exit 1
fi
# shellcheck disable=SC2086 - both are lists of words
$pip install --quiet --disable-pip-version-check $place -r locks/uv.txt --require-hashes >&2 || {
  rm -rf "$own"
  printf 'maru: uv could not be fetched: connect to a package registry once, or install uv.\n' >&2
  exit 1
}
if [ -n "$place" ]; then
  mkdir -p "$own/bin"
  ln -s ../packages/bin/uv "$own/bin/uv"
fi
printf '%s\n' "$own/bin/uv"
