#!/usr/bin/env bash
# Install the project for development: install.sh PYTHON [cpu|skip]
#
# torch comes first, so that pip never fetches the build with CUDA as a dependency. "skip" leaves
# the choice of torch to pip. Everything else has the version of lock.txt, which `make lock` makes.
set -euo pipefail

python=$1
torch=${2:-cpu}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
wanted=$here/torch-cpu.txt

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "pytest-safegen needs Python 3.11 or newer, and this is $("$python" --version)." >&2
    echo "Name another one, such as: make demo PYTHON=python3.12" >&2
    exit 2
fi

if [ "$torch" = cpu ] && ! "$python" -m pip install --no-index --no-deps -r "$wanted" 2>/dev/null; then
    # No wheel is kept on this machine; uv knows where PyTorch has its CPU builds.
    "$python" -m pip install --quiet uv
    "$python" -m uv pip install --python "$python" --torch-backend=cpu -r "$wanted"
fi

"$python" -m pip install --quiet -r "$here/lock.txt"
"$python" -m pip install --quiet --no-deps -e "$here/.."
