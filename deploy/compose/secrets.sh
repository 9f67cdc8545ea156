#!/bin/sh
# Makes the passwords and keys of the product on one host, each once: what is there already stays.
#   deploy/compose/secrets.sh [FOLDER]
set -eu
folder=${1:-$(dirname "$0")/secrets}
command -v openssl >/dev/null || { printf 'secrets: openssl is needed and was not found.\n' >&2; exit 1; }

# The folder keeps everybody of this host out; the files have to be read by the users of the containers.
umask 022
mkdir -p "$folder"
chmod 0700 "$folder"

keep() { # NAME: standard input becomes that file, unless it exists
  if [ ! -s "$folder/$1" ]; then
    cat > "$folder/$1.new"
    [ -s "$folder/$1.new" ] || { printf 'secrets: %s could not be made.\n' "$1" >&2; exit 1; }
    mv "$folder/$1.new" "$folder/$1"
  else
    cat > /dev/null
  fi
}
of() { cat "$folder/$1"; }
word() { openssl rand -hex 24; }

for role in owner api ingest inference deliverer; do
  word | keep "${role}_password"
  printf 'postgresql://maru_%s:%s@postgres:5432/maru\n' "$role" "$(of "${role}_password")" | keep "${role}_database_url"
done

for name in auth callback; do
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | keep "${name}_signing_key"
done
openssl pkey -in "$folder/callback_signing_key" -pubout | keep callback_public_key
openssl rand -base64 32 | tr '+/' '-_' | keep session_key

word | keep qdrant_api_key
printf 'service:\n  api_key: %s\n' "$(of qdrant_api_key)" | keep qdrant.yaml

printf 'GK%s\n' "$(openssl rand -hex 12)" | keep storage_access_key
openssl rand -hex 32 | keep storage_secret_key
printf 'GARAGE_RPC_SECRET=%s\nGARAGE_DEFAULT_ACCESS_KEY=%s\nGARAGE_DEFAULT_SECRET_KEY=%s\nGARAGE_DEFAULT_BUCKET=maru\n' \
  "$(openssl rand -hex 32)" "$(of storage_access_key)" "$(of storage_secret_key)" | keep storage.env

# Made by the running product: maru worker token create.
[ -e "$folder/worker_token" ] || : > "$folder/worker_token"
printf 'secrets: complete in %s\n' "$folder" >&2
