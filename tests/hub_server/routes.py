"""What the server answers about repositories: who asks, what there is, and where."""

import hashlib
import re
import urllib.parse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .repos import (
    Answer,
    Commit,
    File,
    Refused,
    Repo,
    check_writes,
    lfs_pointer,
    parse_card,
    stamp,
)
from .server import Call, HubServer, route

SDKS = ("gradio", "streamlit", "docker", "static")
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
CARD_KINDS = {"tags": "list", "license": "str or list", "pipeline_tag": "str", "library_name": "str", "model-index": "list"}


def paged(hub: HubServer, call: Call, items: list) -> Answer:
    """One page of `items`, with a Link header to the next."""
    start = int(call.query.get("cursor", ["0"])[0])
    end = start + min(hub.page_size, int(call.query.get("limit", [hub.page_size])[0]))
    if end >= len(items):
        return Answer(items[start:])
    query = urllib.parse.urlencode({**call.query, "cursor": end}, doseq=True)
    return Answer(items[start:end], headers={"Link": f'<{hub.url}{call.path}?{query}>; rel="next"'})


@route("POST", "/api/validate-yaml")
def validate_yaml(hub: HubServer, call: Call) -> Answer:
    asked = call.json()
    card, problem = parse_card(asked["content"])
    problems = [problem] if problem else []
    for name, kinds in CARD_KINDS.items():
        if name in card and type(card[name]).__name__ not in kinds.split(" or "):
            problems.append(f'"{name}" must be a {kinds}')
    if asked.get("repoType") == "space":
        if card.get("sdk", "gradio") not in SDKS:
            problems.append(f'"sdk" must be one of {SDKS}')
        problems += [f'"{name}" must be one of {COLORS}' for name in ("colorFrom", "colorTo") if card.get(name, "red") not in COLORS]
        if len(str(card.get("short_description", ""))) > 60:
            problems.append('"short_description" must be at most 60 characters')
    warnings = [] if card or problems else [{"message": "empty or missing yaml metadata in repo card"}]
    errors = [{"message": problem} for problem in problems]
    return Answer({"errors": errors, "warnings": warnings}, 400 if errors else 200)


# ---- repositories ----


@route("POST", "/api/repos/create")
def create_repo(hub: HubServer, call: Call) -> Answer:
    asked = call.json()
    name, owner = asked["name"], asked.get("organization") or (call.user.name if call.user else "")
    private = asked.get("private", False) or asked.get("visibility") == "private"
    repo = Repo(f"{owner}/{name}", asked.get("type") or "model", private)
    if not re.fullmatch(r"[\w.-]{1,96}", name) or "--" in name or ".." in name:
        raise Refused(400, f"Invalid repo name: {name}")
    check_writes(call.user, repo.id)
    answer = {"url": f"{hub.url}/{repo.key}", "name": repo.id}
    if repo.key in hub.repos:
        return Answer(answer | {"error": f"You already created this {repo.type} repo: {repo.id}"}, 409)
    if repo.type == "space":
        if asked.get("sdk") not in SDKS:
            raise Refused(400, f"sdk must be one of {SDKS}")
        repo.sdk, repo.hardware = asked["sdk"], asked.get("hardware") or "cpu-basic"
    hub._create(repo, call.user.name)
    return Answer(answer)


@route("POST", "/api/{kind}/{repo}/branch/{branch}", "write")
def create_branch(hub: HubServer, call: Call, repo: Repo, branch: str) -> dict:
    if branch in repo.branches:
        raise Refused(409, f"Reference already exists: {branch}")
    repo.branches[branch] = repo.at(call.json().get("startingPoint", "main")).sha
    return {}


# ---- what is where ----

LISTED = ("id", "modelId", "likes", "downloads", "private", "tags", "pipeline_tag", "library_name", "sdk", "createdAt")
FULL = ("author", "sha", "lastModified", "gated", "disabled", "siblings")
LIST_OPTIONS = {"filter", "author", "search", "limit", "full", "cursor"}


def as_list(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)] if value else []


def describe(hub: HubServer, repo: Repo, at: Commit, blobs: bool = False) -> dict:
    """What /api/models/ID and its like say of a repository at a commit."""
    card, siblings = hub._card(at), []
    for path, file in sorted(at.files.items()):
        sibling = {"rfilename": path}
        if blobs:
            sibling |= {"size": file.size, "blobId": file.oid}
        if blobs and file.lfs:
            sibling["lfs"] = lfs_of(file)
        siblings.append(sibling)
    tags = as_list(card.get("library_name")) + ["safetensors"] * any(path.endswith(".safetensors") for path in at.files)
    tags += as_list(card.get("pipeline_tag")) + as_list(card.get("tags")) + as_list(card.get("language"))
    tags += [f"{name}:{value}" for name, key in (("license", "license"), ("dataset", "datasets")) for value in as_list(card.get(key))]
    info = {
        "id": repo.id,
        "author": repo.id.split("/")[0],
        "sha": at.sha,
        "lastModified": stamp(at.date),
        "createdAt": stamp(repo.created),
        "private": repo.private,
        "gated": repo.gated,
        "disabled": False,
        "downloads": repo.downloads,
        "likes": repo.likes,
        "tags": list(dict.fromkeys([repo.sdk] * bool(repo.sdk) + tags)),
        "cardData": card,
        "siblings": siblings,
    }
    if repo.type == "model":
        info |= {"modelId": repo.id} | {key: card[key] for key in ("pipeline_tag", "library_name", "model-index") if key in card}
    if repo.type == "space":
        info |= {"sdk": card.get("sdk") or repo.sdk, "runtime": runtime_of(repo)}
    return info


@route("GET", "/api/{kind}")
def list_repos(hub: HubServer, call: Call, kind: str) -> Answer:
    asked = call.query
    if unknown := set(asked) - LIST_OPTIONS:
        raise Refused(400, f"hub_server does not list by {', '.join(sorted(unknown))}")
    found = []
    for repo in hub.repos.values():
        if repo.type != kind.removesuffix("s") or (repo.private and not (call.user and call.user.owns(repo.id))):
            continue
        info = describe(hub, repo, repo.at())
        wanted = [
            set(asked.get("filter", [])) <= set(info["tags"]),
            info["author"] in asked.get("author", [info["author"]]),
            all(word.lower() in repo.id.lower() for word in asked.get("search", [])),
        ]
        if all(wanted):
            found.append(info)
    keys = {*LISTED, *FULL} if call.flag("full") else set(LISTED)
    return paged(hub, call, [{key: value for key, value in info.items() if key in keys} for info in found])


@route("GET", "/api/{kind}/{repo}")
@route("GET", "/api/{kind}/{repo}/revision/{revision}")
def repo_info(hub: HubServer, call: Call, repo: Repo, revision: str = "main") -> dict:
    return describe(hub, repo, repo.at(revision), call.flag("blobs"))


@route("GET", "/api/{kind}/{repo}/tree/{revision}")
@route("GET", "/api/{kind}/{repo}/tree/{revision}/{path}")
def list_tree(hub: HubServer, call: Call, repo: Repo, revision: str, path: str = "") -> Answer:
    at = repo.at(revision)
    found = [name for name in with_folders(at.files) if name.startswith(path + "/" if path else "")]
    if path and not found:
        raise Refused(404, f"{path} does not exist on {revision}", "EntryNotFound", {"X-Repo-Commit": at.sha})
    if not call.flag("recursive"):
        found = [name for name in found if "/" not in name[len(path) :].lstrip("/")]
    return paged(hub, call, [tree_entry(at, name) for name in found])


def with_folders(paths: Iterable[str]) -> list[str]:
    """The paths and the folders they lie in, sorted."""
    return sorted({str(path) for name in paths for path in (name, *Path(name).parents)} - {"."})


def tree_entry(at: Commit, path: str) -> dict:
    file = at.files.get(path)
    if file is None:
        inside = sorted((name, file.oid) for name, file in at.files.items() if name.startswith(path + "/"))
        return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(repr(inside).encode()).hexdigest()}
    entry = {"type": "file", "path": path, "size": file.size, "oid": file.oid}
    return entry | ({"lfs": lfs_of(file)} if file.lfs else {})


def lfs_of(file: File) -> dict:
    pointer = lfs_pointer(file.sha256, file.size)
    return {"oid": file.sha256, "sha256": file.sha256, "size": file.size, "pointerSize": len(pointer)}


# ---- Spaces ----


def runtime_of(repo: Repo) -> dict:
    now = repo.hardware if repo.stages[0] == "RUNNING" else None
    return {"stage": repo.stages[0], "hardware": {"current": now, "requested": repo.hardware}, "gcTimeout": None, "storage": None}


@route("GET", "/api/{kind}/{repo}/runtime")
def space_runtime(hub: HubServer, call: Call, repo: Repo) -> dict:
    answer = runtime_of(repo)
    repo.stages = repo.stages[1:] or repo.stages
    return answer


@route("POST", "/api/{kind}/{repo}/hardware", "write")
def set_hardware(hub: HubServer, call: Call, repo: Repo) -> dict:
    repo.hardware = call.json()["flavor"]
    return runtime_of(repo)


@route("POST", "/api/{kind}/{repo}/variables", "write")
def set_variable(hub: HubServer, call: Call, repo: Repo) -> dict:
    repo.variables[call.json()["key"]] = call.json()
    return repo.variables
