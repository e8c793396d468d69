"""The workflows of GitHub. Nothing runs them here: their schema and their dangers are checked, and what they check."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.dockerfile import read
from tests.support.manifests import ROOT, program

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
CI, IMAGE = (ROOT / ".github/workflows" / name for name in ("ci.yml", "image.yml"))
_IMAGES = ("BASE_IMAGE", "BUILDKIT_IMAGE", "SBOM_IMAGE")
_DIGEST = f"@sha256:{'0123456789abcdef' * 4}"
_TRUSTED = f"registry.example.com:5000/python:3.11{_DIGEST}"


def findings(workflow: Path) -> str:
    """What is wrong with a workflow, by GitHub's schema and by zizmor. Empty: nothing."""
    schema = [program("check-jsonschema"), "--builtin-schema", "vendor.github-workflows"]
    zizmor = [program("zizmor"), "--offline", "--no-progress", "--quiet"]
    found = ""
    for command in (schema, zizmor):
        ran = subprocess.run([*command, str(workflow)], capture_output=True, text=True, check=False)
        found += ran.stdout + ran.stderr if ran.returncode else ""
    return found


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda each: each.name)
def test_nothing_is_wrong_with_the_workflow(workflow: Path) -> None:
    assert findings(workflow) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("permissions:", "permission:", "permission"),
        ("timeout-minutes: 30", "timeout-minute: 30", "timeout-minute"),
        ('image in "$BASE_IMAGE"', 'image in "${{ inputs.base_image }}"', "template-injection"),
        ("@93cb6efe18208431cddfb8368fd83d5badbf9bfd", "@v5", "unpinned-uses"),
    ],
)
def test_a_mistake_in_a_workflow_is_found(right: str, wrong: str, finding: str, tmp_path: Path) -> None:
    changed = tmp_path / ".github/workflows/image.yml"
    changed.parent.mkdir(parents=True)
    assert right in IMAGE.read_text()
    changed.write_text(IMAGE.read_text().replace(right, wrong))

    assert finding in findings(changed)


def test_every_action_is_named_by_its_commit() -> None:
    used = [name for workflow in WORKFLOWS for name in re.findall(r"uses: (\S+)", workflow.read_text())]
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name) for name in used)


def test_the_tests_run_on_every_python_that_has_wheels() -> None:
    job = yaml.safe_load(CI.read_text())["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert job["container"]["image"] == "python:${{ matrix.python }}-bookworm"
    assert [step["run"] for step in job["steps"] if "run" in step][-1] == ".ci/run"


def steps() -> list[dict[str, Any]]:
    job = yaml.safe_load(IMAGE.read_text())["jobs"]["build"]
    assert {*job["env"]} == {*_IMAGES}
    return list(job["steps"])


@pytest.mark.parametrize("careless", _IMAGES)
@pytest.mark.parametrize("image", ["python:3.11-slim", "python@sha256:0123", f"x$(true){_DIGEST}"])
def test_an_image_without_digest_is_refused_before_anything_is_built(careless: str, image: str) -> None:
    assert refused({**dict.fromkeys(_IMAGES, _TRUSTED), careless: image})


def test_images_by_their_digests_are_accepted() -> None:
    assert not refused(dict.fromkeys(_IMAGES, _TRUSTED))


def refused(images: dict[str, str]) -> bool:
    """Run the first step with these images."""
    bash = ["/bin/bash", "-e", "-c", steps()[0]["run"]]
    return subprocess.run(bash, env=images, capture_output=True, check=False).returncode != 0


def test_the_image_is_built_from_the_arguments_of_its_file() -> None:
    built = " ".join(step.get("run", "") for step in steps())
    before, _ = read((ROOT / "Dockerfile").read_text())
    assert {*re.findall(r"--build-arg \"(\w+)=", built)} == {*before}
