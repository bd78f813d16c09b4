"""Checkpoint folders: they come back the same, and what is wrong with one is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.model.synthetic import synthetic_experiment
from twin.errors import InputError
from twin.model.backbones.files import save_backbone
from twin.model.backbones.world import TokenWorldModel
from twin.model.files import checkpoint_hash, load_any, load_checkpoint, save_checkpoint
from twin.model.fit import fit_backbone
from twin.model.masked import MaskedDiffusion
from twin.model.training import TrainingConfig
from twin.registry import named_model


def test_a_checkpoint_comes_back_the_same_in_16_bit(small_model: MaskedDiffusion, tmp_path: Path) -> None:
    save_checkpoint(small_model, tmp_path / "a", "a card")
    once = load_checkpoint(tmp_path / "a")
    save_checkpoint(once, tmp_path / "b")
    assert load_checkpoint(tmp_path / "b").fingerprint == once.fingerprint
    assert (tmp_path / "a" / "card.md").read_text() == "a card"
    assert once.card == small_model.card
    mine, theirs = small_model.knowledge, once.knowledge
    for word in ("genes", "contexts", "perturbations"):
        assert getattr(mine, word) == getattr(theirs, word)
    assert [(t.arm.key, t.family, t.agents) for t in mine.treatments] == [
        (t.arm.key, t.family, t.agents) for t in theirs.treatments
    ]
    np.testing.assert_allclose(mine.composition, theirs.composition)
    np.testing.assert_allclose(mine.half_life, theirs.half_life)
    for (name, a), (_, b) in zip(small_model.net.state_dict().items(), once.net.state_dict().items(), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-3, atol=2e-4, msg=name)


def test_what_treatments_do_comes_back_with_their_combinations(dosed_model: MaskedDiffusion, tmp_path: Path) -> None:
    """The families: effects, supports and features of every treatment in every context."""
    save_checkpoint(dosed_model, tmp_path / "a")
    once = load_checkpoint(tmp_path / "a")
    assert len(once.knowledge.treatments) == len(dosed_model.knowledge.treatments) > 4
    assert max(len(t.agents) for t in once.knowledge.treatments) == 2
    for t in range(len(once.knowledge.treatments)):
        for c in range(len(once.contexts)):
            np.testing.assert_allclose(once.shift(t, c), dosed_model.shift(t, c), atol=0.03)
            assert once.explained(t, c) == pytest.approx(dosed_model.explained(t, c), abs=0.01)
    assert once.knowledge.features.names == dosed_model.knowledge.features.names
    a = once.knowledge.features.cosines(["CYT"], ["CYT", "DRG", "KIN"])
    np.testing.assert_allclose(a, dosed_model.knowledge.features.cosines(["CYT"], ["CYT", "DRG", "KIN"]), atol=1e-3)
    for mine, theirs in zip(dosed_model.knowledge.families, once.knowledge.families, strict=True):
        assert mine.contexts == theirs.contexts
        assert [arm.key for arm in mine.arms] == [arm.key for arm in theirs.arms]
        np.testing.assert_allclose(mine.level.weight, theirs.level.weight, rtol=2e-3, atol=2e-4)
        assert len(mine.trials.noise) == len(mine.row_arm)
        for key, value in vars(mine.trials).items():
            np.testing.assert_allclose(getattr(theirs.trials, key), value, rtol=1e-5, atol=1e-7)
        assert mine.rate is not None
        assert theirs.rate is not None
        np.testing.assert_allclose(mine.rate.centre, theirs.rate.centre, rtol=2e-3, atol=2e-3)


def test_a_change_of_any_file_that_decides_answers_is_another_checkpoint(
    small_model: MaskedDiffusion, tmp_path: Path
) -> None:
    save_checkpoint(small_model, tmp_path / "a", "one")
    save_checkpoint(small_model, tmp_path / "b", "two")
    assert checkpoint_hash(tmp_path / "a") == checkpoint_hash(tmp_path / "b")  # a card decides nothing
    genes = tmp_path / "b" / "genes.tsv"
    genes.write_text(genes.read_text().replace("\t5", "\t6", 1))
    assert checkpoint_hash(tmp_path / "a") != checkpoint_hash(tmp_path / "b")


def test_a_folder_is_read_by_the_backbone_that_it_names(small_model: MaskedDiffusion, tmp_path: Path) -> None:
    save_checkpoint(small_model, tmp_path / "latent")
    config = TrainingConfig(steps=1, batch=8)
    save_backbone(fit_backbone(synthetic_experiment(40), "patches", "1m", config), tmp_path / "token", "a card")
    assert isinstance(load_any(tmp_path / "latent"), MaskedDiffusion)
    assert isinstance(load_any(tmp_path / "token"), TokenWorldModel)
    assert isinstance(named_model(tmp_path / "token"), TokenWorldModel)
    with pytest.raises(InputError, match="is not there"):
        load_any(tmp_path / "nowhere")
    with pytest.raises(InputError, match="backbone 'patches'"):
        load_checkpoint(tmp_path / "token")


def with_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return damage


def cut(name: str) -> Callable[[Path], None]:
    """Take the last row of a tensor away."""
    return with_tensors(lambda t: t.update({name: t[name][:-1].contiguous()}))


def drop(name: str) -> Callable[[Path], None]:
    def without(tensors: dict[str, torch.Tensor]) -> None:
        del tensors[name]

    return with_tensors(without)


def an_old_format(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"format": 3', '"format": 2'))


def an_unknown_arm(folder: Path) -> None:
    conditions = folder / "conditions.json"
    conditions.write_text(conditions.read_text().replace('"arm": 0', '"arm": 7'))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut("net.code_out"), "net.code_out has shape"),
        (drop("net.code_in"), "net.code_in is missing"),
        (cut("family.0.phi"), "family.0.phi has shape"),
        (drop("family.0.level.weight"), "family.0.level.weight is missing"),
        (cut("rates.which"), "rates.which has shape"),
        (cut("rates.value"), "rates.value has shape"),
        (drop("rates.value"), "rates.value is missing"),
        (cut("assay_theta"), "assay_theta has shape"),
        (drop("assay_value"), "assay_value is missing"),
        (with_tensors(lambda t: t["net.assay"].fill_(3)), "net.assay: assay 3 does not exist: there are 1"),
        (cut("rates.measured"), "list of genes 0 does not exist: there are 0"),
        (with_tensors(lambda t: t["family.0.genes"].fill_(500)), "family 0: gene 500 does not exist"),
        (an_unknown_arm, "treatment 0: arm 7 does not exist: there are 1"),
        (an_old_format, "format 2"),
        (lambda f: (f / "genes.tsv").unlink(), "genes.tsv is not there"),
        (lambda f: (f / "config.json").unlink(), "config.json is not there"),
        (lambda f: (f / "conditions.json").write_text("[]"), "damaged"),
        (lambda f: (f / "config.json").write_text("{"), "damaged"),
        (lambda f: (f / "model.safetensors").write_bytes(b"12"), "damaged"),
        (lambda f: (f / "genes.tsv").write_text("gene\thalf_life_h\nA\t-1\n"), "line 2"),
        (lambda f: (f / "genes.tsv").write_text("gene\thalf_life_h\nA\t1\n"), "1 genes and 3 contexts are named"),
    ],
)
def test_a_damaged_checkpoint_is_named(
    small_model: MaskedDiffusion, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    save_checkpoint(small_model, tmp_path / "a")
    damage(tmp_path / "a")
    with pytest.raises(InputError, match=said):
        load_checkpoint(tmp_path / "a")


def test_features_that_are_named_and_not_there_are_damage(dosed_model: MaskedDiffusion, tmp_path: Path) -> None:
    save_checkpoint(dosed_model, tmp_path / "a")
    drop("features.data")(tmp_path / "a")
    with pytest.raises(InputError, match=r"features.data is missing"):
        load_checkpoint(tmp_path / "a")
