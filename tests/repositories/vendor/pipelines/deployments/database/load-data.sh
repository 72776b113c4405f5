#!/bin/sh
# Fails where there is no schema. In test somebody had run the other script before.
set -eu
[ -f "$DATABASE/products" ] || { echo "relation \"products\" does not exist" >&2; exit 3; }
echo "1;tea" >"$DATABASE/products"
