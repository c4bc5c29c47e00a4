#!/usr/bin/env bash
# Install pytest-safegen: a version of the package index, or the one that this action lies in.
set -euo pipefail
if [ -n "${SAFEGEN_VERSION:-}" ]; then
    python -m pip install --quiet "pytest-safegen==$SAFEGEN_VERSION"
else
    python -m pip install --quiet "$GITHUB_ACTION_PATH"
fi
