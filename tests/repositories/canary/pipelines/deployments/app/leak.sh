#!/bin/sh
# Prints every secret that it has, in every encoding at hand.
for secret in "$ONE" "$(cat "$TWO")" "$THREE" "$FOUR" "$CALLERS_TOKEN"; do
    echo "plain: $secret"
    echo "error: $secret" >&2
    printf 'base64: %s\n' "$(printf %s "$secret" | base64)"
    printf 'shifted: %s\n' "$(printf x%s "$secret" | base64)"
    printf 'hex: %s\n' "$(printf %s "$secret" | od -An -tx1 | tr -d ' \n')"
    printf '{"json": "%s"}\n' "$secret"
    printf '\033[31m%s\033[0m\n' "$secret"
done
sleep 0.2
test -e .git/fixed
