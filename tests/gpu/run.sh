#!/usr/bin/env bash
# What only a GPU can show: training on it, checkpoints that move, two processes, speed, kernels.
#
#   tests/gpu/run.sh                 on one GPU, within 7 minutes
#   tests/gpu/run.sh --cpu           the same parts on the CPU, where they have one
#   tests/gpu/run.sh speed kernels   some of the parts
#
# PYTHON names the interpreter (python3), OUT the folder of results.json and results.md
# (outputs/gpu). GRU Suite need not be installed, but what it depends on: no network is used.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
PYTHON=${PYTHON:-python3}
OUT=${OUT:-$root/outputs/gpu}
mkdir -p "$OUT"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

missing=$("$PYTHON" - <<'EOP'
import importlib.util, sys
needed = """torch torchvision torchaudio pytorch_lightning hydra omegaconf torchmetrics numpy pandas
pyarrow matplotlib rich yaml sklearn scipy tokenizers safetensors soundfile av packaging PIL""".split()
if sys.version_info < (3, 10):
    print("Python>=3.10, not", sys.version.split()[0], end=" ")
print(*(name for name in needed if importlib.util.find_spec(name) is None))
EOP
)
if [ -n "$missing" ]; then
  echo "tests/gpu/run.sh: $PYTHON cannot import: $missing" >&2
  echo "PYTHON=/path/to/venv/bin/python tests/gpu/run.sh uses another interpreter" >&2
  exit 3
fi

# The packages of this checkout, laid out as an installation has them.
package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT
cp -r "$root/gru_suite" "$package/gru_suite"
cp -r "$root/tasks" "$package/gru_suite/tasks"
cp -r "$root/conf" "$package/gru_suite/conf"
export PYTHONPATH="$package:$root/tests:$root/tests/gpu${PYTHONPATH:+:$PYTHONPATH}"

"$PYTHON" "$root/tests/gpu/gpu_report.py" --out "$OUT" "$@"
