#!/usr/bin/env bash
# Run the gate; its exit code is an output, and a later step decides what it means.
set -euo pipefail

arguments=("--safegen-data=$SAFEGEN_DATA" "--safegen-report=safegen-report")
for name in reference profile baseline config generator; do
    variable="SAFEGEN_${name^^}"
    if [ -n "${!variable:-}" ]; then
        arguments+=("--safegen-$name=${!variable}")
    fi
done
read -r -a more <<<"${SAFEGEN_ARGS:-}"

code=0
python -m pytest "${arguments[@]}" "${more[@]}" || code=$?
echo "code=$code" >>"$GITHUB_OUTPUT"
