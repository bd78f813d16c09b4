"""A finished group as one file: the same for the same content, read in part, opened by Zarr itself."""

import pickle
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import ZipStore

from tests.results.bodies import new_run, write_ticks, writer
from twin.errors import InputError
from twin.results import differences, open_run, raise_format
from twin.results.damage import damaged_in, naming_damage
from twin.results.layout import FORMAT
from twin.results.packed import Packed, folder_of, open_group, pack, packed_name


@pytest.fixture
def made(tmp_path: Path) -> Path:
    group = zarr.create_group(tmp_path / "000000-000003", zarr_format=3, attributes={"what": "test"})
    group.create_group("inner").create_array("a", data=np.arange(1000), chunks=(10,), shards=(500,))
    folder = tmp_path / "000000-000003"
    pack(folder, packed_name(folder))
    assert not [file for file in folder.rglob("*") if file.is_file()], "moved, not copied"
    shutil.rmtree(folder)
    return folder


def test_it_is_a_zarr_group_to_us_and_to_zarr(made: Path) -> None:
    for group in (open_group(made), zarr.open_group(ZipStore(packed_name(made), mode="r"), mode="r")):
        assert group.attrs["what"] == "test"
        array = group["inner/a"]
        assert isinstance(array, zarr.Array)
        np.testing.assert_array_equal(array[...], np.arange(1000))
        np.testing.assert_array_equal(array[495:505], np.arange(495, 505))
        assert [name for name, _ in group.members(max_depth=None)] == ["inner", "inner/a"]
    assert folder_of(open_group(made)) == made


def test_parts_are_those_of_the_member(made: Path) -> None:
    store = pickle.loads(pickle.dumps(Packed(packed_name(made))))
    assert store == Packed(packed_name(made))
    whole = ZipFile(store.file).read("inner/a/c/0")
    for asked, want in (
        (None, whole),
        (RangeByteRequest(3, 9), whole[3:9]),
        (OffsetByteRequest(7), whole[7:]),
        (SuffixByteRequest(5), whole[-5:]),
        (SuffixByteRequest(10**6), whole),
    ):
        got = sync(store.get("inner/a/c/0", default_buffer_prototype(), asked))
        assert got is not None
        assert got.to_bytes() == want
    assert sync(store.get("nothing", default_buffer_prototype())) is None


def test_equal_folders_give_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "x").mkdir(parents=True)
        for file in ("x/b", "zarr.json") if name == "one" else ("zarr.json", "x/b"):
            (tmp_path / name / file).write_bytes(file.encode() * 100)
        pack(tmp_path / name, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


@pytest.mark.parametrize("first", [0, 10])
def test_every_bit_of_a_packed_group_counts(made: Path, first: int) -> None:
    """Whichever bit flips, what is read is right, or the file is said to be damaged; here in two bytes of 23."""
    file = packed_name(made)
    whole = file.read_bytes()
    want = np.arange(1000)
    silent = []
    for place in range(first, len(whole), 23):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << (place % 8)
        file.write_bytes(spoilt)
        try:
            with naming_damage(made):
                group = open_group(made)
                array = group["inner/a"]
                assert isinstance(array, zarr.Array)
                if not np.array_equal(array[...], want) or group.attrs["what"] != "test":
                    silent.append(place)
        except InputError:
            assert list(damaged_in(made))
    assert silent == []


def test_what_is_gone_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="is gone"):
        pack(tmp_path / "empty", tmp_path / "empty.zip")
    assert not (tmp_path / "empty.zip").exists()


def test_what_is_packed_is_finished(made: Path) -> None:
    with pytest.raises((NotImplementedError, ValueError)):
        zarr.open_group(Packed(packed_name(made)), mode="r+").create_group("more")


def test_a_run_whose_commits_are_folders_opens_and_goes_on(tmp_path: Path) -> None:
    old, new = new_run(tmp_path / "old"), new_run(tmp_path / "new")
    for run in (old, new):
        write_ticks(writer(run), 0, 4)
    for file in list(old.glob("trajectories/*/*/*/*.zip")):
        with ZipFile(file) as archive:
            archive.extractall(file.with_suffix(""))
        file.unlink()
    about = old / "zarr.json"
    about.write_text(about.read_text().replace(f'"format": {FORMAT}', '"format": 2'))
    assert differences(old, new) == []
    raise_format(old)
    assert open_run(old).attrs["format"] == open_run(new).attrs["format"] == FORMAT
    np.testing.assert_array_equal(
        open_run(old).cells(compartment="tissue").X.toarray(), open_run(new).cells(compartment="tissue").X.toarray()
    )
    for run in (old, new):
        write_ticks(writer(run), 5, 8)
    assert differences(old, new) == []
    assert len(open_run(old).fields(compartment="tissue")["time"]) == 9
    assert open_run(old).damaged() == []
