from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from serving_archives import tar_gz

from relook.containers.serving.unpacking import CannotUnpack, UnpackLimits, unpack

SMALL = UnpackLimits(total_bytes=10_000_000, members=50, ratio=50.0, ratio_from=1_000_000)


def archive_of(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_folders_and_what_may_be_run(tmp_path: Path) -> None:
    tool = member("./code/run.sh")
    tool.mode = 0o4750
    private = member("weights/model.bin")
    private.mode, private.uid = 0o600, 1234
    umask = os.umask(0o077)
    try:
        archive = archive_of(member("empty", tarfile.DIRTYPE), tool, private, content=b"x" * 3000)
        unpack(io.BytesIO(archive), tmp_path, UnpackLimits())
    finally:
        os.umask(umask)
    assert files(tmp_path) == {"code/run.sh": b"x" * 3000, "weights/model.bin": b"x" * 3000}
    assert (tmp_path / "empty").is_dir()
    assert (tmp_path / "code/run.sh").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "weights/model.bin").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "weights/model.bin").stat().st_uid == os.getuid()


def test_the_last_of_two_members_of_a_name_stands(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for content in (b"first, and longer", b"second"):
            one = member("a")
            one.size = len(content)
            tar.addfile(one, io.BytesIO(content))
    unpack(io.BytesIO(buffer.getvalue()), tmp_path, UnpackLimits())
    assert files(tmp_path) == {"a": b"second"}


def test_long_names_and_a_gzip_of_several_parts(tmp_path: Path) -> None:
    name = "/".join(["deep" * 10] * 6) + "/é.bin"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        one = member(name)
        one.size = 5000
        tar.addfile(one, io.BytesIO(b"y" * 5000))
    plain = buffer.getvalue()
    unpack(io.BytesIO(gzip.compress(plain[:700]) + gzip.compress(plain[700:])), tmp_path, UnpackLimits())
    assert files(tmp_path) == {name: b"y" * 5000}


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (member("evil", tarfile.SYMTYPE, "/etc/passwd"), "symbolic link"),
        (member("evil", tarfile.SYMTYPE, "inside"), "symbolic link"),
        (member("evil", tarfile.LNKTYPE, "fine"), "hard link"),
        (member("evil", tarfile.CHRTYPE), "character device"),
        (member("evil", tarfile.BLKTYPE), "block device"),
        (member("evil", tarfile.FIFOTYPE), "named pipe"),
        (member("../evil"), "leads out"),
        (member("a/../../evil"), "leads out"),
        (member("a/../evil"), "leads out"),
        (member("/evil"), "leads out"),
        (member("//evil"), "leads out"),
        (member("../evil", tarfile.DIRTYPE), "leads out"),
        (member("fine/evil"), "both a file and a folder"),
        (member("evil" * 100), "too long"),
        (member("./"), "without a name"),
    ],
    ids=lambda value: getattr(value, "name", value)[:20],
)
def test_what_an_archive_must_not_hold(tmp_path: Path, bad: tarfile.TarInfo, rule: str) -> None:
    folder = tmp_path / "in" / "model"
    folder.mkdir(parents=True)
    with pytest.raises(CannotUnpack, match=rule) as caught:
        unpack(io.BytesIO(archive_of(member("fine"), bad, content=b"x")), folder, UnpackLimits())
    assert bad.name[:50].rstrip("/") in str(caught.value)
    assert set(files(tmp_path)) == {"in/model/fine"}


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    sparse = member("holes", tarfile.GNUTYPE_SPARSE)
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % 10**9
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(CannotUnpack, match="'holes' is a sparse file"):
        unpack(io.BytesIO(gzip.compress(bytes(header) + bytes(1024))), tmp_path, UnpackLimits())


@pytest.mark.parametrize(
    ("files_", "rule"),
    [
        ({"zeros": bytes(9_000_000)}, "50 times"),
        (
            {"noise": random.Random(0).randbytes(6_000_000), "more": bytes(6_000_000)},
            "'more' it is larger than the 100",
        ),
        ({f"f{number}": b"" for number in range(51)}, "'f50' is one more than the 50"),
    ],
    ids=["ratio", "size", "count"],
)
def test_bombs(tmp_path: Path, files_: dict[str, bytes], rule: str) -> None:
    with pytest.raises(CannotUnpack, match=rule):
        unpack(io.BytesIO(tar_gz(files_)), tmp_path, SMALL)
    assert sum(map(len, files(tmp_path).values())) <= SMALL.total_bytes


def test_zeros_behind_the_archive_are_a_bomb_too(tmp_path: Path) -> None:
    with pytest.raises(CannotUnpack, match="50 times"):
        unpack(io.BytesIO(tar_gz({"a": b"a"}) + gzip.compress(bytes(20_000_000))), tmp_path, SMALL)


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    header = bytearray(member("x", tarfile.XHDTYPE).tobuf())
    header[124:136] = b"%011o\0" % (4 * 2**30)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(CannotUnpack, match="claims to be"):
        unpack(io.BytesIO(gzip.compress(bytes(header) + bytes(10_000))), tmp_path, UnpackLimits())


def test_headers_upon_headers(tmp_path: Path) -> None:
    header = member("x", tarfile.XHDTYPE)
    with pytest.raises(CannotUnpack):
        unpack(io.BytesIO(gzip.compress(header.tobuf() * 20_000)), tmp_path, UnpackLimits())


def cut_gzip(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def cut_end(whole: bytes) -> bytes:
    return whole[:-4]


def flipped(whole: bytes) -> bytes:
    at = len(whole) // 2
    return whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]


def cut_tar(whole: bytes) -> bytes:
    return gzip.compress(gzip.decompress(whole)[:1500])


def cut_header(whole: bytes) -> bytes:
    return gzip.compress(gzip.decompress(whole)[: 512 + 2048 + 100])


def bad_header(whole: bytes) -> bytes:
    plain = bytearray(gzip.decompress(whole))
    plain[512 + 2048 + 10] ^= 0xFF
    return gzip.compress(bytes(plain))


@pytest.mark.parametrize("harm", [cut_gzip, cut_end, flipped, cut_tar, cut_header, bad_header])
def test_a_damaged_archive_names_the_last_member_seen(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    noise = random.Random(1).randbytes
    whole = tar_gz({"first.bin": noise(2000), "second.bin": noise(2000)})
    with pytest.raises(CannotUnpack, match=r"no whole gzipped tar: .*after member '(first|second)\.bin'"):
        unpack(io.BytesIO(harm(whole)), tmp_path, UnpackLimits())


_NO_TAR = gzip.compress(b"no tar" * 200, mtime=0)


@pytest.mark.parametrize("data", [b"", b"not an archive", b"PK\x03\x04" + bytes(600), _NO_TAR])
def test_what_is_no_archive_at_all(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CannotUnpack, match=r"no whole gzipped tar: .*at its start"):
        unpack(io.BytesIO(data), tmp_path, UnpackLimits())


def test_it_can_be_ended_on_the_way(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise Enough

    with pytest.raises(Enough):
        unpack(io.BytesIO(tar_gz({"a": bytes(30_000_000)})), tmp_path, UnpackLimits(), check)
