"""What two workers of a grid save against the same runs one after another by `ebbnas search`.

    python tests/benchmarks/grid_speed.py --seeds 4

Each seed is a run of `make front` (config `watch`). The sequential commands keep the processes that the config asks for
and share their own cache; both begin with empty caches and compiled loops, and must end with the same fronts. On a
machine that does other work the figures mean nothing, so its load is printed first.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def ebbnas(*arguments):
    """Run the command; answers its wall time. [s]"""
    start_s = time.monotonic()
    subprocess.run([sys.executable, "-m", "experiments", *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start_s


def toml_value(text):
    """A value as TOML, text in quotes."""
    return json.dumps(text) if text.replace("-", "").isalpha() else text


def fronts(root):
    return {path.parent.name: path.read_bytes() for path in root.glob("runs/*/fronts.parquet")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="watch")
    parser.add_argument("--seeds", type=int, default=4, help="runs")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of all runs")
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores", flush=True)
    subprocess.run([sys.executable, "-m", "energy.precompile"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = [part for one in options.set for part in ("--set", one)]
        sequential_s = 0.0
        for seed in range(options.seeds):
            call = ("search", options.config, "--root", str(folder / "one"), "--set", f"seed={seed}", *settings)
            sequential_s += ebbnas(*call, "--quiet")
        print(f"one after another: {options.seeds} runs in {sequential_s:.1f} s", flush=True)
        pairs = [one.partition("=") for one in options.set]
        common = "".join(f"{key} = {toml_value(value)}\n" for key, _, value in pairs)
        text = f'schema = 1\nname = "speed"\nbase = "{options.config}"\n[set]\n{common}'
        (folder / "speed.toml").write_text(f"{text}[axes]\nseed = {list(range(options.seeds))}\n")
        call = ("grid", str(folder / "speed.toml"), "run", "--root", str(folder / "grid"), "--workers", options.workers)
        grid_s = ebbnas(*call, "--quiet")
        print(f"grid of {options.workers} workers:  {options.seeds} runs in {grid_s:.1f} s", flush=True)
        is_equal = fronts(folder / "one") == fronts(folder / "grid")
        print(f"ratio {sequential_s / grid_s:.2f}; fronts {'equal byte for byte' if is_equal else 'DIFFER'}")
        return 0 if is_equal else 1


if __name__ == "__main__":
    sys.exit(main())
