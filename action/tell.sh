#!/usr/bin/env bash
# Summary, annotations, outputs and SARIF; no token is needed, so a fork's pull request has them too.
set -euo pipefail
safegen github safegen-report --fail-on="${SAFEGEN_FAIL_ON:-fail}" || true
if [ "${SAFEGEN_COMMENT:-auto}" = never ]; then
    rm -f safegen-report/comment.md
fi
