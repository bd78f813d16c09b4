"""How large a run is beside the same cells as compressed h5ad, how many files a snapshot has, how fast it opens.

`python -m tests.bench.bench_store` prints the table: the demo's tissue with whole transcriptomes, an instant a commit
and twelve; then a run of 100 trajectories.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from twin.engine.simulation import run
from twin.results import Run, open_run

SCENARIO = Path(__file__).parents[2] / "scenarios" / "ifnb_lymphoid_patch.yaml"
CULTURE = """\
name: many
duration: 12 h
tick: 1 h
replicates: 100
world_model: {name: none}
compartments:
  dish: {box: [100 um, 100 um, 100 um], cells: {source: model, count: 20, composition: {tumour: 1}}}
processes: {cycle: {model: live}}
observe: {every: 1 h}
execution: {commit_every: 2 h}
"""


def bench_store(cells: int = 1_000, hours: int = 12) -> dict[str, float]:
    """Return sizes relative to h5ad, files a snapshot, and seconds to open a run of 100 trajectories."""
    rates: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        for words, every in (("a commit an instant", 1), (f"a commit {hours} instants", hours)):
            sets = [f"duration={hours} h", f"compartments.patch.cells.count={cells}", "observe.every=1 h"]
            made = run(SCENARIO, Path(folder) / words, sets=[*sets, f"execution.commit_every={every} h"])
            size, files = _of_cells(made)
            rates[f"store, {words}: bytes of cells over gzip h5ad"] = size / _h5ad(made, Path(folder))
            rates[f"store, {words}: files of cells a snapshot"] = files / len(made.times())
            everything = sum(1 for file in made.path.rglob("*") if file.is_file())
            rates[f"store, {words}: all files of the run a snapshot"] = everything / len(made.times())
        rates |= _opening(Path(folder))
    return rates


def _of_cells(made: Run) -> tuple[int, int]:
    files = [file for file in made.path.glob("trajectories/*/*/cells/**/*") if file.is_file()]
    return sum(file.stat().st_size for file in files), len(files)


def _h5ad(made: Run, folder: Path) -> int:
    """Return what the same snapshots take as one gzip h5ad each."""
    total = 0
    for i, time in enumerate(made.times()):
        file = folder / f"{i}.h5ad"
        cells = made.cells(float(time))
        del cells.obsp["contact_area"]  # follows from places and radii: no store keeps it
        cells.write_h5ad(file, compression="gzip")
        total += file.stat().st_size
        file.unlink()
    return total


def _opening(folder: Path) -> dict[str, float]:
    file = folder / "many.yaml"
    file.write_text(CULTURE, encoding="utf-8")
    path = run(file, folder / "many").path
    start = perf_counter()
    opened = open_run(path)
    seen = perf_counter()
    opened.readouts["n_cells"].mean("replicate").compute()
    read = perf_counter()
    assert opened.is_complete
    return {
        "a run of 100 trajectories opens in: s": seen - start,
        "its mean of a readout is there after: s": read - start,
        "and whether it is complete after: s": perf_counter() - start,
    }


def main() -> None:
    """Print the table."""
    for word, value in bench_store().items():
        print(f"{word:<60} {value:>12.4g}")


if __name__ == "__main__":
    main()
