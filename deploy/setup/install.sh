#!/bin/sh
# Makes the virtual environment hold exactly what a lock names, and does nothing when it already does.
#   install.sh run|dev|FILE_OF_LOCKS
# VENV names the environment (.venv). Needs Python 3.11 or newer; uv is fetched into .cache/ when it is missing.
set -eu
cd "$(dirname "$0")/../.."
kind=${1:-run}
venv=${VENV:-.venv}

say() { printf 'maru: %s\n' "$*" >&2; }
give_up() { say "$*"; exit 1; }

members="shared services/api services/ingest services/inference services/ui services/worker deploy/migrations deploy/local"
# An environment that was made for development keeps its tools when only the product is asked for.
if [ "$kind" = run ] && [ -f "$venv/.maru-dev" ]; then kind=dev; fi
case $kind in
  run) lock=locks/local.txt ;;
  dev) lock=locks/dev.txt ;;
  *) give_up "install.sh takes run or dev, not $kind" ;;
esac

stamp="$venv/.maru-$kind"
wanted=$(cat "$lock" shared/pyproject.toml services/*/pyproject.toml deploy/*/pyproject.toml | cksum; pwd)
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

uv=$(deploy/setup/find_uv.sh)
if [ ! -x "$venv/bin/python" ]; then
  say "making the environment $venv"
  python=$(deploy/setup/find_python.sh)
  "$uv" venv --quiet --allow-existing --python "$python" --no-python-downloads "$venv"
fi
say "installing what $lock names (seconds with a warm package cache, minutes without)"
"$uv" pip sync --quiet --python "$venv/bin/python" --require-hashes "$lock"
set --
for member in $members; do set -- "$@" -e "$member"; done
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps "$@"
printf '%s\n' "$wanted" > "$stamp"
