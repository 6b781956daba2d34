from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from relook.datafolder import DataFolder, DataFolderError, InUse


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "a" / "data")
    folder.create()
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.root.iterdir()) == ["artifacts", "models", "objects"]


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataFolderError, match="--data"):
        DataFolder(tmp_path / "data").create()


def test_those_who_only_look_keep_no_server_away(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    seen: list[bool] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append(folder.served())

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2000):
            with folder.hold():
                assert folder.served()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {False, True} <= set(seen)


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.hold(), pytest.raises(InUse, match="runs on this data folder already"), folder.hold():
        pass
    with folder.hold():
        pass


def test_the_address_is_known_while_the_folder_is_held(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.address() is None
    with folder.hold():
        assert folder.address() is None
        folder.publish_address("http://127.0.0.1:1")
        assert folder.address() == "http://127.0.0.1:1"
    assert folder.address() is None  # the file is there, but nobody holds the folder
    with folder.hold():
        assert folder.address() is None
