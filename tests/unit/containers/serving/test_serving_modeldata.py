from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest
from serving_archives import ACCOUNT, Put, tar_gz

from relook.blobs.folder import FolderBlobs
from relook.blobs.records import Target
from relook.containers.serving import modeldata, sources
from relook.containers.serving.api import StartFailed
from relook.containers.serving.modeldata import Lease, ModelFolder, Patience, link_tree
from relook.containers.serving.sources import ModelDataMissing
from relook.containers.serving.unpacking import UnpackLimits
from relook.core.serving import ModelData

TAR = tar_gz({"model.bin": b"weights", "code/inference.py": b"pass"})


def patience() -> Patience:
    return Patience(60, "the download")


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def folders(root: Path) -> list[Path]:
    """What lies in the folder of the one process that works under `root`."""
    (own,) = (path for path in root.iterdir() if path.is_dir())
    return [path for path in own.iterdir() if path.name != "lock"]


def test_an_archive_is_unpacked_and_removed_again(folder: ModelFolder, put: Put, tmp_path: Path) -> None:
    lease = folder.acquire(ACCOUNT, ModelData(put("m/model.tar.gz", TAR)), patience())
    assert contents(lease.path) == {"model.bin": b"weights", "code/inference.py": b"pass"}
    assert lease.path.stat().st_mode & 0o777 == 0o755
    lease.release()
    lease.release()
    assert folders(tmp_path / "models") == []


def test_one_object_and_a_prefix_are_copied(folder: ModelFolder, put: Put) -> None:
    one = folder.acquire(ACCOUNT, ModelData(put("a/b/model.onnx", b"graph"), gzip=False), patience())
    assert contents(one.path) == {"model.onnx": b"graph"}
    for key in ("tree/model.json", "tree/deep/er/x", "tree/", "tree/deep/", "treehouse"):
        put(key, key.encode())
    for uri in ("s3://bucket/tree", "s3://bucket/tree/"):
        tree = folder.acquire(ACCOUNT, ModelData(uri, prefix=True, gzip=False), patience())
        assert contents(tree.path) == {"model.json": b"tree/model.json", "deep/er/x": b"tree/deep/er/x"}
    for each in (one, tree):
        assert all(path.stat().st_mode & 0o444 == 0o444 for path in each.path.rglob("*"))


def test_a_prefix_of_more_objects_than_a_page_lists(folder: ModelFolder, put: Put) -> None:
    for number in range(7):
        put(f"many/{number}", b"")
    with mock.patch.object(sources, "_PAGE", 3):
        lease = folder.acquire(ACCOUNT, ModelData("s3://bucket/many/", prefix=True, gzip=False), patience())
    assert set(contents(lease.path)) == {str(number) for number in range(7)}


def test_ten_instances_share_one_unpacking(folder: ModelFolder, put: Put, tmp_path: Path) -> None:
    data = ModelData(put("model.tar.gz", TAR))
    with (
        mock.patch.object(modeldata, "unpack", wraps=modeldata.unpack) as unpacking,
        ThreadPoolExecutor(10) as threads,
    ):
        leases = list(threads.map(lambda _: folder.acquire(ACCOUNT, data, patience()), range(10)))
    assert unpacking.call_count == 1
    assert len({lease.path for lease in leases}) == 1
    for lease in leases[:9]:
        lease.release()
    assert contents(leases[9].path)["model.bin"] == b"weights"
    leases[9].release()
    assert folders(tmp_path / "models") == []


def test_another_content_is_another_folder_and_the_old_one_stays_for_its_users(folder: ModelFolder, put: Put) -> None:
    data = ModelData(put("model.tar.gz", TAR))
    old = folder.acquire(ACCOUNT, data, patience())
    put("model.tar.gz", tar_gz({"model.bin": b"new"}))
    new = folder.acquire(ACCOUNT, data, patience())
    assert contents(new.path) == {"model.bin": b"new"}
    assert contents(old.path)["model.bin"] == b"weights"


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [("s3://bucket/none", False), ("s3://nobucket/x", False), ("s3://bucket/none", True), ("s3://bucket", False)],
)
def test_missing_data(folder: ModelFolder, uri: str, prefix: bool) -> None:
    with pytest.raises(ModelDataMissing, match=f"Could not find model data at {uri}: "):
        folder.acquire(ACCOUNT, ModelData(uri, prefix=prefix, gzip=not prefix), patience())


def test_data_of_another_account(folder: ModelFolder, put: Put) -> None:
    with pytest.raises(StartFailed, match="another account"):
        folder.acquire("999999999999", ModelData(put("model.tar.gz", TAR)), patience())


@pytest.mark.parametrize("uri", ["https://bucket/key", "s3:/bucket/key", "s3:///key", ""])
def test_addresses_of_another_form(folder: ModelFolder, uri: str) -> None:
    with pytest.raises(StartFailed, match="s3://bucket/key"):
        folder.acquire(ACCOUNT, ModelData(uri), patience())


@pytest.mark.parametrize("key", ["t/../evil", "t//etc/passwd", "t/./x", "t/a\0b", "t/" + "x" * 300])
def test_keys_that_lead_elsewhere_are_refused(folder: ModelFolder, put: Put, tmp_path: Path, key: str) -> None:
    put("t/fine", b"")
    put(key, b"evil")
    with pytest.raises(StartFailed, match="no plain relative path"):
        folder.acquire(ACCOUNT, ModelData("s3://bucket/t/", prefix=True, gzip=False), patience())
    assert folders(tmp_path / "models") == []


def test_a_key_that_is_a_file_and_a_folder(folder: ModelFolder, put: Put, tmp_path: Path) -> None:
    put("t/a", b"")
    put("t/a/b", b"")
    with pytest.raises(StartFailed, match="cannot be written to disk"):
        folder.acquire(ACCOUNT, ModelData("s3://bucket/t/", prefix=True, gzip=False), patience())
    assert folders(tmp_path / "models") == []


def test_a_broken_archive_leaves_nothing_and_can_be_mended(folder: ModelFolder, put: Put, tmp_path: Path) -> None:
    data = ModelData(put("model.tar.gz", TAR[: len(TAR) // 2]))
    with pytest.raises(StartFailed, match=r"s3://bucket/model.tar.gz cannot be unpacked: it is no whole gzipped tar"):
        folder.acquire(ACCOUNT, data, patience())
    assert folders(tmp_path / "models") == []
    put("model.tar.gz", TAR)
    assert contents(folder.acquire(ACCOUNT, data, patience()).path)["model.bin"] == b"weights"


def test_limits_hold_for_copies_too(tmp_path: Path, blobs: FolderBlobs, put: Put) -> None:
    limited = ModelFolder(tmp_path / "models", blobs, UnpackLimits(total_bytes=10, members=2))
    data = ModelData("s3://bucket/t/", prefix=True, gzip=False)
    put("t/a", b"x" * 11)
    with pytest.raises(StartFailed, match="larger than the 10 bytes"):
        limited.acquire(ACCOUNT, data, patience())
    for key in ("t/a", "t/b", "t/c"):
        put(key, b"x")
    with pytest.raises(StartFailed, match="more than 2 objects"):
        limited.acquire(ACCOUNT, data, patience())
    limited.close()


def test_an_object_that_changes_between_listing_and_copying(folder: ModelFolder, blobs: FolderBlobs, put: Put) -> None:
    put("t/a", b"old")
    put("t/b", b"old")
    find, opened = blobs.objects.find_and_open, []

    def meddling(account: str, bucket: str, key: str) -> object:
        opened.append(key)
        if opened == ["t/a"]:
            put("t/b", b"new")
        return find(account, bucket, key)

    with mock.patch.object(blobs.objects, "find_and_open", meddling):
        lease = folder.acquire(ACCOUNT, ModelData("s3://bucket/t/", prefix=True, gzip=False), patience())
    assert contents(lease.path) == {"a": b"old", "b": b"new"}
    assert opened == ["t/a", "t/b", "t/a", "t/b"]


def test_an_object_deleted_on_the_way_is_missing(folder: ModelFolder, blobs: FolderBlobs, put: Put) -> None:
    data = ModelData(put("model.tar.gz", TAR))
    find = blobs.objects.find_and_open

    def meddling(account: str, bucket: str, key: str) -> object:
        blobs.objects.delete(ACCOUNT, "bucket", Target("model.tar.gz"))
        return find(account, bucket, key)

    with mock.patch.object(blobs.objects, "find_and_open", meddling), pytest.raises(ModelDataMissing):
        folder.acquire(ACCOUNT, data, patience())


def test_too_slow_and_given_up(folder: ModelFolder, put: Put, tmp_path: Path) -> None:
    data = ModelData(put("model.tar.gz", TAR))
    with pytest.raises(StartFailed, match="the download took longer than 0 s"):
        folder.acquire(ACCOUNT, data, Patience(0, "the download"))
    given_up = patience()
    given_up.cancel()
    with pytest.raises(StartFailed, match="the download was given up"):
        folder.acquire(ACCOUNT, data, given_up)
    assert folders(tmp_path / "models") == []


def test_links_share_the_bytes(folder: ModelFolder, put: Put) -> None:
    lease, own = folder.acquire(ACCOUNT, ModelData(put("model.tar.gz", TAR)), patience()), folder.scratch()
    link_tree(lease.path, own.path / "model")
    assert contents(own.path / "model") == contents(lease.path)
    assert os.path.samefile(own.path / "model/model.bin", lease.path / "model.bin")
    lease.release()
    assert contents(own.path / "model")["model.bin"] == b"weights"
    own.release()
    assert not own.path.exists()


KILLED = """
import os, sys
from pathlib import Path
from relook.blobs.folder import FolderBlobs
from relook.containers.serving.modeldata import ModelFolder, Patience
from relook.containers.serving import modeldata, sources
from relook.core.serving import ModelData
from relook.store.engine import Store
root = Path(sys.argv[1])
folder = ModelFolder(root / "models", FolderBlobs(Store.open(root / "relook.db"), root / "objects", lambda: 0))
folder.acquire("123456789012", ModelData("s3://bucket/whole.tar.gz"), Patience(60, "it"))
unpack = modeldata.unpack
def die(archive, target, *rest):
    unpack(archive, target, *rest)
    os.kill(os.getpid(), 9)
modeldata.unpack = die
folder.acquire("123456789012", ModelData("s3://bucket/half.tar.gz"), Patience(60, "it"))
"""


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_has_is_not(
    folder: ModelFolder, blobs: FolderBlobs, put: Put, tmp_path: Path
) -> None:
    data = ModelData(put("whole.tar.gz", TAR))
    put("half.tar.gz", tar_gz({"x": b"x"}))
    mine = folder.acquire(ACCOUNT, data, patience())
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60).returncode == -9
    (left,) = (path for path in (tmp_path / "models").iterdir() if path.is_dir() and path not in mine.path.parents)
    assert len([path for path in left.iterdir() if path.is_dir()]) == 2
    second = ModelFolder(tmp_path / "models", blobs)
    assert not left.exists()
    assert contents(mine.path)["model.bin"] == b"weights"
    second.close()
    assert contents(mine.path)["model.bin"] == b"weights"


def test_a_lease_is_released_by_whoever_is_last(folder: ModelFolder, put: Put, tmp_path: Path) -> None:
    """Taken and given back by many at once, the folder is whole for each of them."""
    data = ModelData(put("model.tar.gz", TAR))

    def use(_: int) -> bool:
        lease: Lease = folder.acquire(ACCOUNT, data, patience())
        whole = contents(lease.path) == {"model.bin": b"weights", "code/inference.py": b"pass"}
        lease.release()
        return whole

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(use, range(200)))
    assert folders(tmp_path / "models") == []
