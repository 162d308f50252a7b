"""Runs the parts of tests/gpu/run.sh, each in a process with a time limit, and reports them."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

# Seconds that each part may take: in all less than seven minutes.
LIMITS = {
    **{"training": 110, "moving": 60, "processes": 75},
    **{"speed": 70, "kernels": 35, "scan": 35},
}
GPU_ONLY = {"kernels": "cuDNN is a library of GPUs"}
MODULES = {"speed": "gpu_speed.py", "kernels": "gpu_speed.py", "scan": "gpu_speed.py"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=", ".join(LIMITS))
    parser.add_argument("--cpu", action="store_true", help="on the CPU")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(LIMITS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if not options.cpu and not torch.cuda.is_available():
        print(
            f"no GPU was found: torch {torch.__version__}, built for CUDA {torch.version.cuda}; "
            "--cpu runs the parts on the CPU",
            file=sys.stderr,
        )
        return 3
    results: dict[str, Any] = {"machine": machine(options.cpu), "parts": {}}
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts or LIMITS:
            result = run_part(part, "cpu" if options.cpu else "gpu", Path(folder), options.out)
            results["parts"][part] = result
            print(f"{part}: {result['state']}, {result['seconds']} s {result.get('error', '')}")
            # After each part, so that an interrupted report has those before.
            (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
            (options.out / "results.md").write_text(markdown(results))
    print(markdown(results))
    states = [result["state"] for result in results["parts"].values()]
    return int(any(state not in ("passed", "skipped") for state in states))


def machine(cpu: bool) -> dict[str, Any]:
    """Return what the figures were measured on."""
    facts = {"python": sys.version.split()[0], "torch": torch.__version__}
    if cpu:
        return {"device": "cpu", **facts}
    return {
        "device": torch.cuda.get_device_name(0),
        "gpus": torch.cuda.device_count(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        **facts,
    }


def run_part(part: str, device: str, folder: Path, out: Path) -> dict[str, Any]:
    """Run one part; return its state, seconds, rows of figures, and where it failed its error."""
    if device == "cpu" and part in GPU_ONLY:
        return {"state": "skipped", "seconds": 0.0, "skipped": GPU_ONLY[part]}
    module = Path(__file__).with_name(MODULES.get(part, "gpu_parts.py"))
    answer = folder / f"{part}.json"
    began = time.monotonic()
    # A small machine may be busy with other things.
    limit = LIMITS[part] * (10 if device == "cpu" else 1)
    state, error = "passed", ""
    with (out / f"{part}.log").open("w") as log:
        try:
            done = subprocess.run(
                [sys.executable, str(module), part, device, str(folder), str(answer)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                timeout=limit,
                cwd=folder,
                check=False,
            )
            if done.returncode:
                state, error = "failed", f"exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            state, error = "failed", f"took longer than {limit} s"
    result: dict[str, Any] = {"state": state, "seconds": round(time.monotonic() - began, 1)}
    # Rows are written as they come, so a part that fails has those before.
    found = json.loads(answer.read_text()) if answer.is_file() else {}
    if state == "failed":
        last = (out / f"{part}.log").read_text(errors="replace").strip().splitlines()[-1:]
        result["error"] = f"{error}: {' '.join(last)}"
    warned = warnings_in((out / f"{part}.log").read_text(errors="replace"))
    return {**result, **found, **({"warnings": warned} if warned else {})}


def warnings_in(log: str) -> list[str]:
    """Return the different warnings of a log."""
    lines = [line.strip()[-300:] for line in log.splitlines() if "Warning" in line]
    return list(dict.fromkeys(lines))[:10]


def markdown(results: dict[str, Any]) -> str:
    """Return all results as Markdown: a table for each part."""
    lines = ["# GPU report" if results["machine"]["device"] != "cpu" else "# CPU half", ""]
    lines += [", ".join(f"{key} {value}" for key, value in results["machine"].items()), ""]
    for part, result in results["parts"].items():
        reason = result.get("skipped") or result.get("error") or ""
        lines += [f"## {part}: {result['state']} ({result['seconds']} s) {reason}".strip(), ""]
        rows = result.get("rows", [])
        if rows:
            names = list(dict.fromkeys(name for row in rows for name in row))
            lines += [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
            lines += [f"| {' | '.join(text(row.get(name)) for name in names)} |" for row in rows]
            lines.append("")
        lines += [*(f"- {warning}" for warning in result.get("warnings", [])), ""]
    return "\n".join(lines)


def text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
