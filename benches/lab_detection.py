"""What the example strategies detect in the pump laboratory: the tables of docs/pump-lab.md.

    python benches/lab_detection.py [--write]

Prints a table for each strategy, as ``tightloop detect STRATEGY --data lab --labels lab/labels.parquet`` counts on the
sample of ``tightloop data sample --scenario all``; ``--write`` puts them into the page.
"""

import sys
import tempfile
from pathlib import Path

from tightloop.adapters.data.tick_sample.writing import LABELS_FILE, write_tick_sample
from tightloop.app.analysis.detect import Detection, detect
from tightloop.runtime.research.detection import ALL, Tally

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "pump-lab.md"
STRATEGIES = ("peak_fade_short", "flash_pump_long", "conservative_long")
SCENARIOS = ("pump", "dump", "thin", "gap", "halt", "flat")
SEED = 1
BEGIN, END = "<!-- written by benches/lab_detection.py -->\n", "<!-- to here -->\n"
HEAD = (
    "| scenario | found | by peak | S1 | false | of them in market moves | entries | precision | recall | S1 after |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def measured(root: Path) -> dict[str, Detection]:
    """Every strategy over every labelled instrument of a sample."""
    return {
        name: detect(ROOT / "strategies" / "ticks" / f"{name}.yaml", data=root, labels=root / LABELS_FILE)
        for name in STRATEGIES
    }


def make_lab(root: Path) -> Path:
    """The sample that the page tells of."""
    write_tick_sample(root, list(SCENARIOS), SEED)
    return root


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _row(scenario: str, own: Tally, in_moves: int) -> str:
    found = f"{own.found}/{own.pumps}" if own.pumps else "-"
    by_peak = str(own.by_peak) if own.pumps else "-"
    delay = own.plain()["s1_delay_s"]
    cells = (
        scenario, found, by_peak, own.signals, own.false_signals, in_moves, own.entries, _share(own.precision),
        _share(own.recall), "-" if delay is None else f"{delay['median']:,.0f} s",
    )  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |\n"


def tables(found: dict[str, Detection]) -> str:
    """The tables as Markdown."""
    parts = []
    for name, detection in found.items():
        rows = {(own.scenario, own.kind): own for own in detection.rows}
        moves = {s: own.false_signals for (s, kind), own in rows.items() if kind == "market_move"}
        lines = [_row(s, rows[s, ALL], moves.get(s, 0)) for s in SCENARIOS]
        lines.append(_row("all", rows[ALL, ALL], sum(moves.values())))
        command = f"    tightloop detect strategies/ticks/{name}.yaml --data lab --labels lab/labels.parquet"
        parts.append(f"`{name}`:\n\n{command}\n\n{HEAD}{''.join(lines)}")
    return "\n".join(parts)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = tables(measured(make_lab(Path(folder))))
    print(text)
    if "--write" in sys.argv[1:]:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
