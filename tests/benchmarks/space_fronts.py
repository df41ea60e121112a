"""Which space gives better fronts: hypervolumes of finished runs of several spaces and seeds, from their files.

Prints wall times, the hypervolume of each run's front at each budget on fine-tuned and on inherited validation
accuracy, and whether one space exceeds another in every seed and in the median. Runs must be of the same data, device,
supply and execution. The wall time is that of the process that finished a run: what lay in the cache cost it nothing.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pyarrow.parquet as pq

from experiments.columns import read_table
from experiments.config import read_config
from experiments.front_table import RunFronts, text, to_dict
from experiments.store import read_json


def read_run(folder):
    """Fronts of one finished run; the searched front is that of everything priced whose accuracy was inherited."""
    config, manifest = read_config(str(folder)), read_json(folder / "manifest.json")
    if not manifest.get("is_finished"):
        raise ValueError(f"{folder}: must be a finished run; `search` on the folder goes on with it")
    budgets = manifest["n_inherited_front"]
    fronts = folder / "fronts.parquet"
    if not fronts.exists() and any(budgets.values()):
        raise ValueError(f"{fronts}: there is no such file; `search` on the folder writes it")
    rows = read_table(fronts) if fronts.exists() else []
    finetuned = {
        budget: [(1 - row["accuracy_finetuned_val"], row["latency_s"]) for row in rows if row["budget"] == budget]
        for budget in budgets
    }
    return config, RunFronts(
        name=str(folder),
        space=config.space.name,
        seed=config.seed,
        wall_s=sum(manifest["wall_times_s"].values()),
        fronts={"finetuned": finetuned, "inherited": inherited(folder, budgets)},
    )


def inherited(folder, budgets):
    """Error and latency of the feasible designs whose accuracy was inherited, not predicted, `(n, 2)` a budget."""
    found = {budget: [np.empty((0, 2))] for budget in budgets}
    columns = ["budget", "feasible", "accuracy_inherited_val", "latency_s"]
    for path in sorted((folder / "evaluations").glob("part-*.parquet")):
        frame = pq.read_table(path, columns=columns).to_pandas()
        frame = frame[frame["feasible"] & frame["accuracy_inherited_val"].notna()]
        for budget, parts in found.items():
            own = frame[frame["budget"] == budget]
            parts.append(np.column_stack([1 - own["accuracy_inherited_val"], own["latency_s"]]))
    return {budget: np.concatenate(parts) for budget, parts in found.items()}


def what_is_shared(config):
    """What runs must have in common to be compared; files by their content."""
    settings = config.to_dict()
    shared = {name: settings[name] for name in ("data", "device", "supply", "execution")}
    shared["data"].pop("dir", None)
    shared["supply"].pop("capacitances")
    for section in ("device", "supply"):
        if file := shared[section].pop("file", None):
            shared[section]["content"] = Path(file).read_text()
    return shared


def main():
    """Read the runs and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    try:
        configs, runs = zip(*(read_run(folder) for folder in options.runs), strict=True)
        for config, run in zip(configs, runs, strict=True):
            for section, value in what_is_shared(config).items():
                if value != what_is_shared(configs[0])[section]:
                    raise ValueError(f"{run.name}: {section} must be that of {runs[0].name}, and differs")
        print(json.dumps(to_dict(runs)) if options.json else text(runs))
    except (ValueError, OSError) as error:
        sys.exit(f"space_fronts: {error}")


if __name__ == "__main__":
    main()
