"""The independent scorer that lies beside the measured data."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def reference(data_folder: Path) -> ModuleType:
    file = data_folder.parent / "tools" / "score_reference.py"
    if not file.is_file():
        pytest.skip("the independent scorer does not lie beside the data")
    pytest.importorskip("sklearn", reason="the independent scorer needs scikit-learn: pip install 'twin[eval]'")
    spec = importlib.util.spec_from_file_location("score_reference", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
