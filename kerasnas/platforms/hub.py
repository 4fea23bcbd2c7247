"""The adapter to the Hugging Face Hub, the extra `kerasnas[hub]`: fetch and publish files of a repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasnas import __version__
from kerasnas.wording import first_line, missing_extra

try:
    from huggingface_hub import EvalResult, HfApi, ModelCardData
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
except ImportError as error:
    raise missing_extra("hub", error) from None


def fetch(repository: str, revision: str | None, files: Sequence[str]) -> Path:
    """Return the folder of these files of a repository in the Hub's cache; missing ones are downloaded, no others.

    `HF_HUB_OFFLINE`, `HF_HOME`, `HF_ENDPOINT` and the login of `hf auth login` apply.

    Args:
        repository: `owner/name`.
        revision: a branch, a tag or a commit. None for the main branch.
        files: names of the files.

    Raises:
        ValueError: if `repository` is not a valid name.
        FileNotFoundError: if there is no such repository or revision, or it is private.
        ConnectionError: if the Hub cannot be reached, and the files are not in the cache.
    """
    try:
        return Path(_api().snapshot_download(repository, revision=revision, allow_patterns=list(files)))
    except HFValidationError as error:
        raise ValueError(first_line(error)) from None
    except RevisionNotFoundError:
        raise FileNotFoundError(f"The repository {repository} of the Hub has no revision '{revision}'.") from None
    except RepositoryNotFoundError:
        raise FileNotFoundError(
            f"There is no repository {repository} on the Hub, or it is private and you are not logged in "
            "(`hf auth login`)."
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise ConnectionError(f"The files of {repository} cannot be had from the Hub: {first_line(error)}") from None


def publish(folder: Path, repository: str, private: bool, message: str) -> str:
    """Upload a folder to a repository, which is created if needed; return the address of the commit.

    Raises:
        ValueError: if `repository` is not a valid name.
        ConnectionError: if the Hub cannot be reached, or denies access.
    """
    api = _api()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=repository, folder_path=folder, commit_message=message).commit_url)
    except HFValidationError as error:
        raise ValueError(first_line(error)) from None
    except OSError as error:  # HTTP errors are OSErrors too
        raise ConnectionError(f"{repository} cannot be published on the Hub: {first_line(error)}") from None


def front_matter(
    name: str, task: str, tags: Sequence[str], license: str | None, dataset: str, metrics: Mapping[str, float]
) -> str:
    """Return the first lines of a model card, from which the Hub reads the model's facts.

    Args:
        name: name of the model.
        task: the Hub's name of its task, such as `image-classification`; empty if it has none.
        tags: further words.
        license: the Hub's name of a license, or None.
        dataset: name of the test data.
        metrics: name -> value of its results on them.
    """
    results = [
        EvalResult(task or "other", _slug(dataset), dataset, metric, value, metric_name=metric.replace("_", " "))
        for metric, value in metrics.items()
    ]
    known: dict[str, Any] = {"pipeline_tag": task} if task else {}
    known |= {"license": license} if license else {}
    known |= {"eval_results": results, "model_name": name} if results else {}
    return f"---\n{ModelCardData(library_name='keras', tags=list(tags), **known).to_yaml()}\n---\n"


def _api() -> HfApi:
    return HfApi(library_name="kerasnas", library_version=__version__)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name) or "unnamed"
