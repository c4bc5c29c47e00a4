#!/usr/bin/env bash
# Red if the gate says so, or if it could not run: only `fail-on: never` lets a red verdict through.
set -euo pipefail
code=${SAFEGEN_CODE:-}
if [ -z "$code" ] || [ "$code" -gt 1 ]; then
    echo "The gate could not run (exit code ${code:-unknown})." >&2
    exit 1
fi
if [ "${SAFEGEN_FAIL_ON:-fail}" = never ]; then
    exit 0
fi
if [ "${SAFEGEN_FAIL:-1}" != 0 ] || [ "$code" != 0 ]; then
    echo "The release must not go out; the summary says why." >&2
    exit 1
fi
