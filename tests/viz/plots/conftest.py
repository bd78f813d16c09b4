"""Runs with planted answers, written once for all tests of plots."""

import pytest

from tests.viz.plots.stores import doses_store, lineage_store, plain_store
from twin.results import Run, open_run


@pytest.fixture(scope="session")
def dosed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A trunk and a branch at four doses, three replicates."""
    return open_run(doses_store(tmp_path_factory.mktemp("dosed") / "run"))


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One trajectory."""
    return open_run(plain_store(tmp_path_factory.mktemp("plain") / "run"))


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A pedigree of seven cells without transcriptomes."""
    return open_run(lineage_store(tmp_path_factory.mktemp("family") / "run"))
