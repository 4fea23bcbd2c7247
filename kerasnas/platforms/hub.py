"""The adapter to the Hugging Face Hub, the extra `kerasnas[hub]`: files of a repository, fetched and published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasnas import __version__
from kerasnas.platforms import missing_extra

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
    """The folder of a repository's files of these names in the Hub's cache, after a download where they are missing.

    `HF_HUB_OFFLINE`, `HF_HOME`, `HF_ENDPOINT` and the login of `hf auth login` count.

    Args:
        repository: `owner/name`.
        revision: a branch, a tag or a commit. None for the main branch.
        files: their names; no other file is downloaded.

    Raises:
        ValueError: if it is no name of a repository.
        FileNotFoundError: if there is no such repository or revision, or it is private.
        ConnectionError: if the Hub cannot be reached, and its files are not in the cache.
    """
    try:
        found = _api().snapshot_download(repository, revision=revision, allow_patterns=list(files))
    except HFValidationError as error:
        raise ValueError(_first_line(error)) from None
    except RevisionNotFoundError:
        raise FileNotFoundError(f"The repository {repository} of the Hub has no revision '{revision}'.") from None
    except RepositoryNotFoundError:
        raise FileNotFoundError(
            f"There is no repository {repository} on the Hub, or it is private and you are not logged in "
            "(`hf auth login`)."
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise ConnectionError(f"The files of {repository} cannot be had from the Hub: {_first_line(error)}") from None
    return Path(found)


def publish(folder: Path, repository: str, private: bool, message: str) -> str:
    """Upload a folder to a repository, which is made where there is none; return the address of the commit.

    Raises:
        ValueError: if it is no name of a repository.
        ConnectionError: if the Hub cannot be reached, or does not let you.
    """
    api = _api()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=repository, folder_path=folder, commit_message=message).commit_url)
    except HFValidationError as error:
        raise ValueError(_first_line(error)) from None
    except OSError as error:  # of HTTP too
        raise ConnectionError(f"{repository} cannot be published on the Hub: {_first_line(error)}") from None


def front_matter(
    name: str, task: str, tags: Sequence[str], license: str | None, dataset: str, metrics: Mapping[str, float]
) -> str:
    """The lines at the beginning of a model card by which the Hub knows the model.

    Args:
        name: of the model.
        task: the Hub's name of what it does, such as `image-classification`; empty where it has none.
        tags: further words.
        license: the Hub's name of a license, or None.
        dataset: the name of the data that it was tested on.
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


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
