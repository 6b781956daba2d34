from __future__ import annotations

from pathlib import Path

import pytest

from relook.settings import Settings, SettingsError, load, refuse_unknown


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "TRAININGS", "RELAXED_MINIMUMS", "ACCOUNT", "DATA"):
        monkeypatch.delenv(f"RELOOK_{name}", raising=False)


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(tmp_path).port == 8484
    (tmp_path / "relook.toml").write_text("port = 1\n")
    assert load(tmp_path).port == 1
    monkeypatch.setenv("RELOOK_PORT", "2")
    assert load(tmp_path).port == 2
    assert load(tmp_path, port=3).port == 3
    assert load(tmp_path, port=None).port == 2


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("FALSE", False), ("0", False)])
def test_switches_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("RELOOK_RELAXED_MINIMUMS", text)
    assert load(tmp_path).relaxed_minimums is value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RELAXED_MINIMUMS", "yes"),
        ("TRAININGS", "1.5"),
        ("TRAININGS", "0"),
        ("ACCOUNT", "1"),
        ("DETECTOR_STEPS", "-1"),
        ("DETECTOR_STEPS", "many"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"RELOOK_{name}", value)
    with pytest.raises(SettingsError, match=name.lower()):
        load(tmp_path)


@pytest.mark.parametrize("value", ["tcp://127.0.0.1:2375", "unix://run/engine.sock", "/run/engine.sock", ""])
def test_an_engine_is_a_socket_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RELOOK_CONTAINER_ENGINE", value)
    with pytest.raises(SettingsError, match=r"container_engine .*unix:///path"):
        load(tmp_path)
    monkeypatch.setenv("RELOOK_CONTAINER_ENGINE", "unix:///run/engine.sock")
    assert load(tmp_path).container_engine == "unix:///run/engine.sock"


@pytest.mark.parametrize("line", ["port = true", 'port = "1"', "data = 1", "= 1"])
def test_a_file_with_a_wrong_line_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "relook.toml").write_text(line)
    with pytest.raises(SettingsError, match=r"relook\.toml"):
        load(tmp_path)


def test_children_get_the_very_settings(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "ü ' folder", account="111122223333", relaxed_minimums=True)
    assert Settings.restore(settings.dump()) == settings


def test_a_table_comes_from_the_file_or_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "relook.toml").write_text('[images]\n"mine:1" = "builtin/onnx"\n')
    assert load(tmp_path).images == {"mine:1": "builtin/onnx"}
    monkeypatch.setenv("RELOOK_IMAGES", '{"other": "engine"}')
    settings = load(tmp_path)
    assert settings.images == {"other": "engine"}
    assert Settings.restore(settings.dump()) == settings


@pytest.mark.parametrize("text", ["builtin/onnx", '{"a": 1}', "{"])
def test_a_table_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("RELOOK_IMAGES", text)
    with pytest.raises(SettingsError, match=r"images is .*: it takes a table of"):
        load(tmp_path)


def test_a_misspelt_variable_is_refused_with_the_one_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DETECTOR_MINUTES", "DATA", "AWSCLI2", "SAGEMAKER3_PYTHON", "SERVER_PYTHONPATH"):
        monkeypatch.setenv(f"RELOOK_{name}", "3")
    refuse_unknown()
    monkeypatch.setenv("RELOOK_DETECTOR_MINUTE", "3")
    with pytest.raises(SettingsError) as caught:
        refuse_unknown()
    said = "RELOOK_DETECTOR_MINUTE is in the environment, but there is no such setting: "
    assert str(caught.value) == f"{said}did you mean RELOOK_DETECTOR_MINUTES?"
    monkeypatch.setenv("RELOOK_QUUX", "3")
    with pytest.raises(SettingsError, match=r"MINUTES\?; RELOOK_QUUX .*: settings are host, port, "):
        refuse_unknown()
    assert load(tmp_path).detector_minutes == 3  # commands other than serve go on


def test_int8_models_and_a_gpu_for_all_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / "relook.toml").write_text('device = "gpu"\nprecision = "int8"\n')
    with pytest.raises(SettingsError, match="no GPU serves int8 models; take device auto or cpu"):
        load(tmp_path)
