from __future__ import annotations

import pytest

from relook.containers.images import ImageTable, ImageTableError, Runtime, without_tag

ECR = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("image", "runtime"),
    [
        ("builtin/vision", Runtime.VISION),
        ("builtin/onnx:1.0", Runtime.ONNX),
        (f"{ECR}/pytorch-inference:2.3.0-cpu-py311", Runtime.PYTORCH),
        (f"{ECR}/pytorch-training@sha256:{'0' * 64}", Runtime.PYTORCH),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3", Runtime.SKLEARN),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/sagemaker-base-python-310:1.0", Runtime.PYTHON),
        ("727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-inference:2.3.0", Runtime.PYTORCH),
    ],
)
def test_our_names_and_the_well_known_ones_are_ours(image: str, runtime: Runtime) -> None:
    assert ImageTable().runtime(image) is runtime
    assert ImageTable().built_in(image)


@pytest.mark.parametrize(
    "image",
    [
        "alpine",
        "pytorch-inference:2.3.0",
        f"{ECR}/my/pytorch-inference:1",
        f"{ECR}/pytorch-inference-eia:1",
        f"{ECR}.evil.example/pytorch-inference:1",
        "registry:5000/builtin/vision",
    ],
)
def test_other_names_stay_as_they_are_and_go_to_the_engine(image: str) -> None:
    assert ImageTable().resolve(image) == image
    assert not ImageTable().built_in(image)
    assert ImageTable().runtime(image) is None


def test_a_built_in_name_that_there_is_not_goes_nowhere_else() -> None:
    assert ImageTable().built_in("builtin/tensorflow")
    assert ImageTable().runtime("builtin/tensorflow") is None


def test_the_table_comes_first_and_its_longest_key_wins() -> None:
    table = ImageTable(
        {
            f"{ECR}/*": "builtin/python",
            f"{ECR}/pytorch-inference": "engine",
            f"{ECR}/pytorch-inference:2.3.0": "builtin/onnx",
            "*.dkr.ecr.*.amazonaws.com/mine": "registry.local:5000/mine:3",
        }
    )
    assert table.resolve(f"{ECR}/anything:1") == "builtin/python"
    assert table.resolve(f"{ECR}/pytorch-inference:1.0") == f"{ECR}/pytorch-inference:1.0"
    assert table.resolve(f"{ECR}/pytorch-inference:2.3.0") == "builtin/onnx"
    assert table.resolve("111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:9") == "registry.local:5000/mine:3"


def test_our_own_names_mean_what_they_say_whatever_the_table() -> None:
    table = ImageTable({"*": "builtin/python"})
    assert table.resolve("builtin/onnx") == "builtin/onnx"
    assert table.resolve(table.resolve("alpine")) == "builtin/python"


@pytest.mark.parametrize("entry", [("a", "builtin/tensorflow"), ("", "x"), ("a b", "x"), ("a", ""), ("a", "x y")])
def test_an_entry_that_cannot_be_used_is_named(entry: tuple[str, str]) -> None:
    with pytest.raises(ImageTableError, match="image table") as refusal:
        ImageTable(dict([entry]))
    assert repr(entry[1]) in str(refusal.value)


def test_a_registrys_port_is_no_tag() -> None:
    assert without_tag("host:5000/a/b:1@sha256:ff") == "host:5000/a/b"
    assert without_tag("host:5000/a") == "host:5000/a"
