from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from relook.cli.sdk import sdk

FOLDER = "lookoutvision/2020-11-20"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sdk, arguments)


def test_install_says_what_it_did_and_what_to_type_next(tmp_path: Path) -> None:
    first = run("install", "--path", str(tmp_path / "models"))
    assert first.exit_code == 0
    assert first.output.count("wrote ") == 3
    assert f'export AWS_DATA_PATH="{tmp_path / "models"}"' in first.output
    assert "aws lookoutvision list-projects" in first.output
    again = run("install", "--path", str(tmp_path / "models"))
    assert again.exit_code == 0
    assert "already up to date" in again.output


def test_show_follows_install_and_uninstall(tmp_path: Path) -> None:
    def status() -> tuple[str, int]:
        shown = json.loads(run("show", "--json", "--path", str(tmp_path)).output)
        assert shown["path"] == str(tmp_path)
        return shown["status"], len(shown["files"])

    assert status() == ("absent", 0)
    run("install", "--path", str(tmp_path))
    assert status() == ("installed", 3)
    assert "up to date" in run("show", "--path", str(tmp_path)).output
    (tmp_path / FOLDER / "paginators-1.json").unlink()
    assert status() == ("outdated", 2)
    assert run("uninstall", "--path", str(tmp_path)).output.count("removed ") == 2
    assert status() == ("absent", 0)
    assert "nothing to remove" in run("uninstall", "--path", str(tmp_path)).output


def test_a_description_of_another_maker_is_left_alone_unless_forced(tmp_path: Path) -> None:
    main = tmp_path / FOLDER / "service-2.json"
    main.parent.mkdir(parents=True)
    main.write_text('{"version": "2.0"}')
    for command in ("install", "uninstall"):
        refused = run(command, "--path", str(tmp_path))
        assert refused.exit_code == 1
        assert str(main) in refused.output
        assert "--force" in refused.output
        assert main.read_text() == '{"version": "2.0"}'
    assert run("install", "--force", "--path", str(tmp_path)).exit_code == 0
    assert main.stat().st_size > 1000


def test_a_place_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    blocked = tmp_path / "lookoutvision"
    blocked.write_text("a file where a folder must be")
    refused = run("install", "--path", str(tmp_path))
    assert refused.exit_code == 1
    assert str(blocked) in refused.output
    assert "--path" in refused.output
    assert blocked.read_text() == "a file where a folder must be"


def test_the_default_is_the_models_folder_of_the_user(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from relook.cli.sdk import sdk; sdk()", "install"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (tmp_path / ".aws/models" / FOLDER / "endpoint-rule-set-1.json").is_file()
    assert "AWS_DATA_PATH" not in done.stdout
