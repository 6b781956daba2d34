from __future__ import annotations

import json
import re
import stat
import threading
from pathlib import Path

import pytest

from relook.core.identity import Principal
from relook.iam.authorizer import AdministratorOnly
from relook.iam.keys import KeyFileError, administrator, root_of

ACCOUNT = "123456789012"


def test_first_use_makes_a_key_and_later_uses_find_the_same(tmp_path: Path) -> None:
    path = tmp_path / "administrator.json"
    keys = administrator(path, ACCOUNT)
    (identity,) = keys.ids
    key = keys.find(identity)
    assert key is not None
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", identity)
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", key.secret)
    assert key.principal == Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, identity)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert administrator(path, ACCOUNT).find(identity) == key
    assert keys.find("AKIAXXXXXXXXXXXXXXXX") is None
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    keys = administrator(tmp_path / "administrator.json", ACCOUNT)
    key = keys.find(keys.ids[0])
    assert key is not None
    assert key.secret not in repr(key)


def test_two_first_uses_at_once_agree_on_one_key(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    found = []

    def use() -> None:
        barrier.wait()
        found.append(administrator(tmp_path / "administrator.json", ACCOUNT).ids)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "administrator.json"
    administrator(path, ACCOUNT)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        administrator(path, ACCOUNT)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "\udcff", '{"accessKeyId": "A", "account": "123456789012"}', '{"accessKeyId": 1}', "null"],
)
def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "administrator.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=r"administrator\.json.*damaged"):
        administrator(path, ACCOUNT)
    assert path.read_bytes() == content.encode("utf-8", "surrogateescape")


def test_the_key_of_another_account_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "administrator.json"
    administrator(path, ACCOUNT)
    with pytest.raises(KeyFileError, match=f"{ACCOUNT}.*210987654321"):
        administrator(path, "210987654321")
    with pytest.raises(ValueError, match="12 digits"):
        administrator(path, "12")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="absent"):
        administrator(tmp_path / "absent" / "administrator.json", ACCOUNT)


def test_the_file_says_what_it_must(tmp_path: Path) -> None:
    path = tmp_path / "administrator.json"
    administrator(path, ACCOUNT)
    assert sorted(json.loads(path.read_text())) == ["accessKeyId", "account", "secretAccessKey"]


def test_the_administrator_alone_may_do_anything() -> None:
    authorizer = AdministratorOnly()
    user = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/eve", "AIDA1", "AKIA1")
    other = Principal(ACCOUNT, "arn:aws:iam::210987654321:root", "2", "AKIA2")
    assert authorizer.permits(root_of(ACCOUNT, "AKIA0"), "lookoutvision:CreateProject", "*")
    assert not authorizer.permits(user, "lookoutvision:CreateProject", "*")
    assert not authorizer.permits(other, "s3:GetObject", "*")
