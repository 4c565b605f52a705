"""Image datasets of the Hub."""

import hashlib
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from genart_hub.data.decoded import _note
from genart_hub.data.parquet import _Place, _plan, _rows
from genart_hub.data.table import ROWS, Row, Source, Table
from genart_hub.errors import GenartError, first_line, shorten
from genart_hub.quiet import _quiet


def _hub_source(name: str, revision: str | None, split: str, token: str | None, cache: Path) -> Source:
    """A dataset of the Hub at the commit that the revision stands for now; without a network, at the one it stood for last."""
    from huggingface_hub import constants

    from genart_hub.hub.answers import hub_errors
    from genart_hub.hub.names import hub_api, token_for_endpoint

    place = json.dumps([constants.ENDPOINT, name, revision])
    known = cache / "revisions" / hashlib.sha256(place.encode()).hexdigest()
    try:
        with hub_errors(name, revision=revision):
            commit = hub_api(token).dataset_info(name, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT).sha or ""
    except GenartError as error:
        if error.code == "hub_no_repo":
            raise GenartError("hub_no_dataset", name=name) from error
        if error.code not in ("hub_unreachable", "hub_not_cached"):
            raise
        commit = known.read_text(encoding="ascii") if known.is_file() else ""
        if not re.fullmatch("[0-9a-f]{40}", commit):
            raise GenartError("hub_no_dataset_now", name=name, endpoint=constants.ENDPOINT) from error

    _note(known, commit)
    identity = json.dumps([constants.ENDPOINT, name, commit, split])
    return Source(identity, partial(_hub_table, name, commit, split, token_for_endpoint(token)), split)


def _hub_table(name: str, commit: str, split: str, token: str | bool | None) -> Table:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    try:
        import datasets
    except ImportError as error:
        raise GenartError("needs_package", package="datasets", install='"genart-hub[train]"') from error
    with _quiet(datasets):
        try:
            dataset = datasets.load_dataset(name, split=split, revision=commit, token=token)
        except Exception as error:  # whatever its many readers raise
            raise _dataset_error(error, name, split) from error
        for column, feature in dataset.features.items():
            if isinstance(feature, datasets.Image):
                dataset = dataset.cast_column(column, datasets.Image(decode=False))
    built = {part for file in dataset.cache_files for part in Path(file["filename"]).parts if re.fullmatch("[0-9a-f]{40}", part)}
    if built and commit not in built:  # `datasets` falls back to an older one that it holds
        raise _unreachable(name)
    class_labels = {
        column: tuple(feature.names) for column, feature in dataset.features.items() if isinstance(feature, datasets.ClassLabel)
    }
    image, label, columns = _plan(name, dataset.features.arrow_schema, class_labels)
    dataset = dataset.select_columns([column for column in (image, label, *columns) if column]).with_format("arrow")
    downloaded = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="dataset")
    place = _Place(name, Path(), [downloaded, Path(datasets.config.EXTRACTED_DATASETS_PATH)])

    def batches() -> Iterator[list[Row]]:
        for start in range(0, len(dataset), ROWS):
            yield list(_rows(dataset[start : start + ROWS], image, label, columns, "row ", start, place))

    names = {column: class_labels[column] for column in columns if column in class_labels}
    return Table(len(dataset), batches, class_labels.get(label or "", ()), columns, names, label=label)


def _dataset_error(error: Exception, name: str, split: str) -> GenartError:
    """What `datasets` raises, as a sentence."""
    from genart_hub.hub.answers import hub_errors

    if isinstance(error, ValueError) and (match := re.match(r"Unknown split .*Should be one of \[(.*)\]", str(error))):
        return GenartError("no_split", path=name, split=shorten(split), choices=match[1].replace("'", ""))
    if "gated dataset" in str(error):
        return GenartError("hub_gated", name=name)
    for cause in filter(None, (error, error.__cause__)):
        if isinstance(cause, ConnectionError) or type(cause).__module__.split(".")[0] in ("httpx", "huggingface_hub"):
            translated = hub_errors(name).translate(cause)
            unreachable = translated.code in ("hub_unreachable", "hub_not_cached")
            return _unreachable(name) if unreachable else translated
    return GenartError("bad_dataset", name=name, reason=first_line(error.__cause__ or error))


def _unreachable(name: str) -> GenartError:
    from huggingface_hub import constants

    return GenartError("hub_no_dataset_now", name=name, endpoint=constants.ENDPOINT)
