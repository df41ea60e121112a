"""Which space gives better fronts: finished runs of several spaces and seeds, on fine-tuned and on inherited accuracy.

`ebbnas compare` does one of both; here they stand one after the other.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.commands.compare import compared
from experiments.comparison.tables import text
from experiments.runs.finished import KINDS, FinishedRun
from experiments.runs.group_by_settings import group_runs


def main():
    """Read the runs and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    try:
        groups = group_runs([FinishedRun.read(folder) for folder in options.runs])
        found = {kind: compared(groups, kind) for kind in KINDS}
    except (ValueError, OSError) as error:
        sys.exit(f"space_fronts: {error}")
    if options.json:
        print(json.dumps({kind: one.to_dict() for kind, one in found.items()}))
    else:
        print("\n\n".join(text(one) for one in found.values()))


if __name__ == "__main__":
    main()
