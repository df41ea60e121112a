"""A grid of 30 tiny cells, undisturbed and killed again and again: the tables must be equal byte for byte.

    python tests/benchmarks/grid_kills.py --seed 0

Three roots: undisturbed under the pool; its whole process group killed with SIGKILL five times at random moments, then
one worker, then let run to its end; under Ray, one worker killed (left out where Ray is not installed). A line each,
with the kills and how many cells were done by then; the exit status is 1 where a table differs. Minutes.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
N_KILLS = 5
GRID = """schema = 1
name = "kills"
base = "watch"
[set]
space.name = "tiny"
space.stages = [
    { kernels = [1, 3], channels = [4, 8], depths = [1, 2], residuals = [false, true] },
    { kernels = [3, 5], channels = [4, 8], strides = [2] },
]
supernet.epochs = 1
search.evaluations = 40
search.population = 10
finetune.epochs = 1
finetune.max_networks = 2
[axes]
data.name = ["synthetic", "watch"]
supply.capacitances = ["47uF", "100uF", "470uF"]
seed = [0, 1, 2, 3, 4]
"""


class Trial:
    """The grid in a root of its own."""

    def __init__(self, folder, name, *options):
        self.root, self.file = folder / name, folder / "kills.toml"
        self.options = options

    def start(self):
        command = [sys.executable, "-m", "experiments", "grid", str(self.file), "run", "--root", str(self.root)]
        return subprocess.Popen(
            [*command, "--quiet", *self.options], cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL
        )

    def n_done(self):
        return sum('"is_finished": true' in path.read_text() for path in self.root.glob("runs/*/manifest.json"))

    def workers(self):
        """Process numbers that cells name."""
        texts = [path.read_text() for path in self.root.glob("grids/kills/cells/*.pid")]
        return {int(text) for text in texts if text.endswith("\n")}

    def amid(self, running, n_done):
        """Wait for a random moment after so many cells are done."""
        while self.n_done() < n_done:
            if running.poll() is not None:
                raise SystemExit(f"the grid ended with status {running.returncode} before the kill")
            time.sleep(0.05)
        time.sleep(random.uniform(0, 2))
        return self.n_done()

    def kill_worker(self, running, before):
        """Kill a worker of this process after a cell or two more; answers how many cells were done then."""
        n_done = self.amid(running, self.n_done() + random.randint(1, 2))
        os.kill(min(self.workers() - before), signal.SIGKILL)
        return n_done

    def tables(self):
        command = [sys.executable, "-m", "experiments", "grid", str(self.file), "table", "--root", str(self.root)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return [(self.root / "grids" / "kills" / f"table.{end}").read_bytes() for end in ("parquet", "csv")]


def finish(running):
    if running.wait() != 0:
        raise SystemExit(f"the grid ended with status {running.returncode}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "kills.toml").write_text(GRID)
        plain = Trial(folder, "undisturbed")
        start_s = time.monotonic()
        finish(plain.start())
        wall_s = time.monotonic() - start_s
        expected = plain.tables()
        n_rows = expected[1].count(b"\n") - 1
        print(f"undisturbed: {plain.n_done()} cells in {wall_s:.0f} s, a table of {n_rows} rows", flush=True)

        killed = Trial(folder, "killed")
        done = []
        for number in range(N_KILLS):
            running = killed.start()
            # Spread over the cells; at least some are left for the kill of a worker.
            done.append(killed.amid(running, random.randint(4 * number + 1, 4 * number + 4)))
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        before = killed.workers()
        running = killed.start()
        done.append(killed.kill_worker(running, before))
        finish(running)
        is_equal = killed.tables() == expected
        print(f"killed {N_KILLS} times and one worker, after {done} cells: {said(is_equal)}", flush=True)

        if find_spec("ray") is None:
            print("under Ray: left out, it is not installed")
            return 0 if is_equal else 1
        ray = Trial(folder, "ray", "--engine", "ray")
        running = ray.start()
        n_done = ray.kill_worker(running, set())
        finish(running)
        is_equal_too = ray.tables() == expected
        print(f"under Ray, one worker killed after {n_done} cells: {said(is_equal_too)}")
        return 0 if is_equal and is_equal_too else 1


def said(is_equal):
    return "tables equal byte for byte" if is_equal else "TABLES DIFFER"


if __name__ == "__main__":
    sys.exit(main())
