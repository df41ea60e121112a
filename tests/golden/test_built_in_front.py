"""The CIFAR-10 front that ships: it is priced, drawn and read as it says, without the images it was trained on."""

import json
import re
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.storage.tables import read_table
from models.spaces import preset
from models.supernet.subnet import Subnet

RUN = Path(__file__).resolve().parents[2] / "docs" / "fronts" / "cifar10"
MOST_BYTES = 6_000_000
"""The whole folder with all weights. [B]"""


@pytest.fixture(scope="module")
def rows():
    return read_table(RUN / "fronts.parquet")


def test_every_design_is_priced_as_its_row_says(rows, capsys):
    assert rows
    for row in rows:
        assert main(["price", str(RUN / "designs" / f"{row['id']}.json"), "--json"]) == 0
        priced = json.loads(capsys.readouterr().out)
        for name in ("latency_s", "energy_j", "power_cycles", "active_s", "recharge_s", "vm_bytes", "nvm_bytes"):
            assert priced[name] == pytest.approx(row[name], rel=1e-12), name


def test_every_design_has_its_weights(rows):
    space = preset("ebb2d").for_data((32, 32, 3), 10)
    for row in rows:
        subnet = Subnet.from_bytes(
            space,
            space.decode(row["architecture"]),
            (RUN / "designs" / f"{row['id']}.safetensors").read_bytes(),
        )
        assert space.network(subnet.arch).n_parameters == row["n_parameters"]
    assert sum(path.stat().st_size for path in RUN.rglob("*") if path.is_file()) < MOST_BYTES


def test_it_reaches_what_the_published_fronts_reach_in_a_fraction_of_their_time(rows):
    def latency_s(accuracy):
        return min(row["latency_s"] for row in rows if row["on_front"] and row["accuracy_finetuned_test"] >= accuracy)

    assert latency_s(0.747) <= 80
    assert latency_s(0.765) <= 120
    assert latency_s(0.80) < 1000


def test_it_holds_no_path_of_where_it_was_made(rows):
    text = "".join(path.read_text(encoding="utf-8") for path in RUN.rglob("*") if path.suffix in (".toml", ".json"))
    assert not re.search(r'"/|\bdir = ', text)


def test_it_is_drawn_again(tmp_path, capsys):
    for path in (RUN / name for name in ("config.toml", "manifest.json", "fronts.parquet", "fronts.csv")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert main(["plot", str(tmp_path), "--format", "png"]) == 0
    assert (tmp_path / "figures" / "front.png").exists()


def test_its_accuracies_need_the_images(rows, tmp_path, capsys):
    assert main(["evaluate", str(RUN), rows[0]["id"], "--data-dir", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert str(tmp_path) in message
