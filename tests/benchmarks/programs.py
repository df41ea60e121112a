"""How fast a design of a finished run becomes a program, and how fast that runs here. Run by `make bench-programs`.

The slowest design of the run's fronts, as a person gets it: `ebbnas export`, `make`, then power failures and the whole
test set.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from experiments.runs.stored_design import stored_design
from experiments.storage.tables import read_table
from models.deploy.reference import answers_of
from models.deploy.samples import quantise_input

N_FAILURES = 20_000


def timed(command, **options):
    """Wall time of a command [s], and what it says."""
    start_s = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, **options)
    return time.perf_counter() - start_s, done.stdout.splitlines()[0] if done.stdout else ""


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    row = max(read_table(run / "fronts.parquet"), key=lambda row: row["latency_s"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "design"
        export_s, _ = timed([sys.executable, "-m", "experiments", "export", run.resolve(), row["id"], folder])
        compile_s, _ = timed(["make", "-s"], cwd=folder)
        failures_s, told = timed(["./design", "failures", str(N_FAILURES), "1"], cwd=folder)
        stored = stored_design(run, row["id"])
        network, test = stored.integer_network(), stored.work.data.split("test")
        samples = quantise_input(network, test.take(slice(None)))
        (folder / "samples.bin").write_bytes(samples.astype("<i2").tobytes())
        test_s, _ = timed(["./design", "run", "samples.bin", "outputs.bin"], cwd=folder)
        outputs = np.frombuffer((folder / "outputs.bin").read_bytes(), dtype="<i2").reshape(len(test), -1)
    accuracy = (answers_of(outputs) == test.labels).mean()
    print(f"design      {row['id']}, {row['architecture']}, {row['n_macs']:,} multiply-accumulates")
    print(f"program     exported in {export_s:.1f} s and compiled in {compile_s:.1f} s")
    print(f"failures    {N_FAILURES / failures_s:,.0f}/s; {told}")
    print(
        f"test set    {len(test):,} samples in {test_s:.2f} s through the program: {100 * accuracy:.2f} % right, "
        f"{100 * row['accuracy_deployed_test']:.2f} % in the table"
    )


if __name__ == "__main__":
    main()
