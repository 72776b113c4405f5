#!/bin/sh
set -eu
mkdir -p "$1"
echo "$2" >"$1/$2.part"
sleep 0.01
mv "$1/$2.part" "$1/$2"
