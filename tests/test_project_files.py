"""Files of the project that no program of it reads: they parse, and name what exists."""

import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

import kerasnas

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def loaded(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version():
    citation = loaded("CITATION.cff")
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}  # which the format asks for
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert str(citation["version"]) == kerasnas.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert all(author.keys() <= {"name", "given-names", "family-names", "orcid"} for author in citation["authors"])


def test_all_addresses_are_of_one_repository():
    home = PROJECT["urls"]["Homepage"]
    assert all(address.startswith(home) for address in PROJECT["urls"].values())
    for path in [*(ROOT / ".github").rglob("*.yml"), ROOT / "CITATION.cff"]:
        for address in re.findall(r"https://github\.com/\S+", path.read_text(encoding="utf-8")):
            assert address.startswith(home), f"{path.name}: {address}"


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem
)
def test_forms_of_issues_have_what_the_host_asks_for(path):
    form = loaded(path)
    if path.stem == "config":
        assert form["contact_links"]
        return
    assert form["name"] and form["description"] and form["body"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["type"] in ("textarea", "input", "dropdown", "checkboxes") for field in fields)
    assert all(field["attributes"]["label"] for field in fields)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_exists(path):
    workflow = loaded(path)
    assert workflow["permissions"] == {"contents": "read"}, "a job asks for more where it needs more"
    for job in workflow["jobs"].values():
        assert ("runs-on" in job) == ("steps" in job) != ("uses" in job)
        assert (ROOT / job.get("uses", "")).exists()
        for step in job.get("steps", ()):
            assert ("run" in step) != ("uses" in step)
            for extra in re.findall(r'"\.\[(.*?)\]"', step.get("run", "")):
                assert set(extra.split(",")) <= PROJECT["optional-dependencies"].keys()
            for script in re.findall(r"(?:python |^)([.\w]+/\w+(?:\.py)?)(?: |$)", step.get("run", "")):
                assert (ROOT / script).exists()
    assert "secrets." not in path.read_text(encoding="utf-8"), "no workflow needs a secret"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_nothing_newer_than_what_was_seen(path):
    """Actions and tools are pinned by digest; other than that, only what the package itself needs is installed."""
    text = path.read_text(encoding="utf-8")
    for action in re.findall(r"uses: (.+)", text):
        assert re.fullmatch(r"\./\.github/\S+|[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action), action
    for installed in re.findall(r"(?:pipx|pip|uv)\S* .*(?:install|run) (.+)", text):
        own = r"dist/\*\.whl|-e \"\.\[dev\]\"( \$\{\{ matrix.pair.packages \}\})?"
        assert re.fullmatch(rf"--require-hashes -r \.github/tools\.txt|{own}", installed), installed


def test_tools_have_digests():
    tools = (ROOT / ".github" / "tools.txt").read_text(encoding="utf-8")
    asked = re.findall(r"^[a-z-]+", (ROOT / ".github" / "tools.in").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(asked) == 7 and set(asked) <= set(re.findall(r"^(\S+)==\S+ \\\n    --hash=sha256:", tools, re.MULTILINE))


def test_versions_of_the_workflow_are_those_of_the_package():
    jobs = loaded(".github/workflows/ci.yml")["jobs"]
    claimed = {name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", name)}
    assert set(jobs["tests"]["strategy"]["matrix"]["python"]) == claimed
    lowest = next(pair for pair in jobs["tests"]["strategy"]["matrix"]["pair"] if pair["name"] == "lowest")
    bounds = {re.split(r"[<>=]", one)[0]: one for one in PROJECT["dependencies"]}
    for package in lowest["packages"].split():
        name, version = package.split("==")
        least = re.search(r">=([\d.]+)", bounds[name])[1]
        assert version == least or version == f"{least}.0", f"{package} is not the least of {bounds[name]}"


def test_a_release_is_published_without_a_token():
    publish = loaded(".github/workflows/release.yml")["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build" and publish["environment"]


def test_the_image_runs_as_a_user_on_what_exists():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [word for line in lines if re.match(r"COPY (?!--from)", line) for word in line.split()[1:-1]]
    assert sources and all((ROOT / source).exists() and f"!{source}" in ignored for source in sources)
    user = next(index for index, line in enumerate(lines) if line.startswith("USER "))
    assert lines[user] != "USER root" and not any(line.startswith("RUN ") for line in lines[user:])
    assert lines[-2] == 'ENTRYPOINT ["kerasnas"]'


@pytest.mark.slow
def test_a_source_distribution_has_what_a_packager_needs(tmp_path):
    """Needs the network: `build` makes an environment of its own."""
    command = [sys.executable, "-m", "build", "--sdist", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (file,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        assert sum(member.size for member in archive.getmembers()) < 20e6
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    hidden = (".git", ".devcontainer", ".dockerignore")
    assert {name for name in tracked if not name.startswith(hidden)} <= names
