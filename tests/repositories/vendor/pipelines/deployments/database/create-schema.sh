#!/bin/sh
set -eu
mkdir -p "$DATABASE"
: >"$DATABASE/products"
