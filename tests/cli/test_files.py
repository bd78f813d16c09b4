"""Files of cells on the command line: what is wrong is said in a sentence, and nothing is left behind."""

import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from tests.engine.tiny import write_tiny
from tests.model.synthetic import synthetic_adata


def twin(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "twin", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def normalised(folder: Path) -> Path:
    adata = synthetic_adata(40)
    assert adata.X is not None
    adata.X = adata.X.astype(np.float32) * 0.37
    adata.write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


def truncated(folder: Path) -> Path:
    synthetic_adata(40).write_h5ad(folder / "whole.h5ad")
    data = (folder / "whole.h5ad").read_bytes()
    (folder / "cells.h5ad").write_bytes(data[: len(data) // 2])
    (folder / "whole.h5ad").unlink()
    return folder / "cells.h5ad"


@pytest.mark.parametrize(("make", "said"), [(normalised, "raw integer counts are needed"), (truncated, "cut short")])
@pytest.mark.parametrize("command", ["run", "train", "predict"])
def test_bad_cells_are_refused_in_one_sentence(tmp_path: Path, make: object, said: str, command: str) -> None:
    assert callable(make)
    file = make(tmp_path)
    before = {f.name for f in tmp_path.iterdir()} | {"tiny.yaml"}
    words: list[object]
    if command == "run":
        cells = "compartments.patch.cells={source: h5ad, file: cells.h5ad}"
        sets = ("--set", cells, "--set", "signalling.secretion=[]", "--set", "observe.distance.source=x_low")
        words = ["run", write_tiny(tmp_path), "--out", "out", *sets]
    elif command == "train":
        words = ["train", file, "--out", "out"]
    else:
        words = ["predict", "default", file, "--perturb", "IFNB1", "--out", "out.h5ad"]
    told = twin(*words, folder=tmp_path)
    assert told.returncode == 2, told.stderr
    assert said in told.stderr
    assert "Traceback" not in told.stderr
    assert {f.name for f in tmp_path.iterdir()} <= before


@pytest.mark.slow
def test_training_evaluation_and_prediction_work_from_the_command_line(tmp_path: Path) -> None:
    synthetic_adata(400).write_h5ad(tmp_path / "cells.h5ad")
    told = twin("train", "cells.h5ad", "--out", "mine", "--steps", 30, "--threads", 1, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "left" in told.stdout
    assert {f.name for f in (tmp_path / "mine").iterdir()} == {
        "model.safetensors",
        "config.json",
        "genes.tsv",
        "conditions.json",
        "card.md",
    }
    assert not (tmp_path / "mine.training").exists()
    told = twin("evaluate", "mine", "cells.h5ad", "--seeds", 1, "--out", "told", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "mean shift" in told.stdout
    assert "mean shift" in (tmp_path / "told" / "report.md").read_text()
    told = twin("predict", "mine", "cells.h5ad", "--perturb", "CYT", "--out", "out.h5ad", folder=tmp_path)
    assert told.returncode == 2
    assert "are no controls" in told.stderr
    cells = ad.read_h5ad(tmp_path / "cells.h5ad")
    cells[cells.obs["condition"] == "control"].copy().write_h5ad(tmp_path / "controls.h5ad")
    told = twin("predict", "mine", "controls.h5ad", "--perturb", "CYT", "--out", "out.h5ad", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert ad.read_h5ad(tmp_path / "out.h5ad").obs["donor"].isin(["d1", "d2"]).all()
    told = twin("predict", "mine", "controls.h5ad", "--perturb", "CYTT", "--out", "no.h5ad", folder=tmp_path)
    assert told.returncode == 2
    assert "did you mean CYT?" in told.stderr
    assert not (tmp_path / "no.h5ad").exists()


def test_a_model_that_draws_starts_at_the_axes_of_its_cells_and_not_at_another_model(tmp_path: Path) -> None:
    synthetic_adata(120).write_h5ad(tmp_path / "cells.h5ad")
    words = ("train", "cells.h5ad", "--draws", "--steps", 2, "--threads", 1, "--out", "drawer")
    refused = twin(*words, "--from", "default", folder=tmp_path)
    assert refused.returncode == 2
    assert "--draws is for a latent backbone that is trained from the start" in refused.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["cells.h5ad"]
    assert twin(*words, folder=tmp_path).returncode == 0
    assert '"axes": 1.0' in (tmp_path / "drawer" / "config.json").read_text()
