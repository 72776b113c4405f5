#!/bin/sh
# Does a reader see this release, with the values of this environment?
set -eu
page=$FOLDER/current/index.html

escaped() { printf '%s' "$1" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'; }
expect() { grep -qF -- "$1" "$page" || { echo "the live page lacks: $1" >&2; exit 1; }; }

expect "<h1>$(escaped "$TITLE")</h1>"
expect "<link rel=\"canonical\" href=\"$(escaped "$URL")\">"
expect "<p class=\"banner\">$(escaped "$BANNER")</p>"
expect "<code>$CIAO_RELEASE</code>"
for name in "$ARCHIVE" api/ciao/index.html SHA256SUMS; do
  [ -s "$FOLDER/current/$name" ] || { echo "the live site lacks $name" >&2; exit 1; }
done
