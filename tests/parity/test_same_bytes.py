"""Same inputs, same bytes: twice, in two processes, on every Python and every machine."""

import json
import os
import subprocess
import sys

import pytest
from tests.parity import make_golden, runs

RUN = """
import hashlib, sys
from pathlib import Path
from tests.parity import runs
folder = Path(sys.argv[1])
files = runs.Setting.random(*runs.TOGETHER["long_and_short"], seed=21, count=300).run().files(folder)
print({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})
"""


each_driver = pytest.mark.parametrize("one_by_one", [False, True], ids=["array", "one_by_one"])
CHANGED = "results changed; if they were meant to: python tests/parity/make_golden.py, and say why in the commit"


def golden(name):
    return json.loads(make_golden.GOLDEN.read_text())[name]


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    root = tmp_path_factory.mktemp("golden") / "sample"
    make_golden.write_market(root)
    return root


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Catalogs by the folder of the strategies that run on them."""
    ticks, carry = (tmp_path_factory.mktemp(f"golden_{kind}") for kind in ("ticks", "carry"))
    make_golden.write_ticks(ticks)
    make_golden.write_carry(carry)
    return {"ticks": ticks, "carry": carry, "reference": carry}


def root_of(name, roots):
    if name not in make_golden.ON_REAL_DATA:
        return roots[name.partition("/")[0]]
    if not make_golden.REAL.is_dir():
        assert not os.environ.get("CI"), f"{make_golden.REAL} is missing, and CI must not skip what it holds"
        pytest.skip("no catalog of real data beside the repository")
    return make_golden.REAL


def test_every_example_has_a_golden_hash():
    files = make_golden.names_in("ticks", "carry", "reference")
    assert list(json.loads(make_golden.GOLDEN.read_text())) == [*make_golden.names(), "ticks", *files], (
        "run python tests/parity/make_golden.py when an example came or went"
    )


@each_driver
@pytest.mark.parametrize("name", make_golden.names())
def test_a_run_ends_in_the_state_it_always_ended_in(name, one_by_one, market):
    assert make_golden.hash_of(name, market, one_by_one=one_by_one) == golden(name), CHANGED


@each_driver
def test_a_run_on_ticks_ends_in_the_state_it_always_ended_in(one_by_one, tmp_path):
    assert make_golden.hash_on_ticks(tmp_path, one_by_one=one_by_one) == golden("ticks"), CHANGED


@each_driver
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.real_data] if name in make_golden.ON_REAL_DATA else [])
        for name in make_golden.names_in("ticks", "carry", "reference")
    ],
)
def test_every_file_of_ticks_and_carry_ends_in_the_state_it_always_ended_in(name, one_by_one, roots):
    assert make_golden.hash_of_file(name, root_of(name, roots), one_by_one=one_by_one) == golden(name), CHANGED


def test_two_processes_write_the_same_bytes(tmp_path):
    """With other hash seeds, so that the order of a set or of a dict of strings shows."""
    written = []
    for seed in ("1", "2"):
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join([str(make_golden.REPOSITORY), *sys.path]),
        }
        ended = subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path / seed)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        written.append(ended.stdout)
    assert written[0] == written[1]
    assert "fills.parquet" in written[0]


def test_another_seed_is_another_run_only_where_there_is_chance():
    def hashes(name):
        setting = runs.Setting.random(runs.KINDS[name], seed=2, count=300)
        other = runs.Setting(setting.strategies, setting.bars, setting.funding, rules=setting.rules, seed=8)
        return setting.run().state_hash, other.run().state_hash

    assert len(set(hashes("slippage_random"))) == 2
    assert len(set(hashes("slippage_fixed"))) == 1
