"""What the server answers about repositories: who asks, what there is, and where."""

import hashlib
import re
import urllib.parse
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .repos import (
    Answer,
    Commit,
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


@route("GET", "/api/whoami-v2")
def whoami(hub: HubServer, call: Call) -> dict:
    if not call.user:
        raise Refused(401, "Invalid username or password.")
    orgs = [{"type": "org", "name": name, "fullname": name} for name in call.user.orgs]
    auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": call.user.role}}
    return {"type": "user", "name": call.user.name, "fullname": call.user.name, "orgs": orgs, "auth": auth}


@route("GET", "/api/agent-harnesses")
def agent_harnesses(hub: HubServer, call: Call) -> dict:
    return {"standardEnvVars": [], "harnesses": {}}


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


def asked_repo(call: Call) -> Repo:
    asked = call.json()
    if not call.user:
        raise Refused(401, "Invalid username or password.")
    private = asked.get("private", False) or asked.get("visibility") == "private"
    return Repo(f"{asked.get('organization') or call.user.name}/{asked['name']}", asked.get("type") or "model", private)


@route("POST", "/api/repos/create")
def create_repo(hub: HubServer, call: Call) -> Answer:
    repo, asked = asked_repo(call), call.json()
    name = asked["name"]
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
        repo.sleep_time, repo.volumes = asked.get("sleepTimeSeconds"), asked.get("volumes") or []
        repo.secrets = {secret["key"]: secret for secret in asked.get("secrets") or []}
        repo.variables = {variable["key"]: variable for variable in asked.get("variables") or []}
    hub._create(repo, call.user.name)
    return Answer(answer)


@route("DELETE", "/api/repos/delete")
def delete_repo(hub: HubServer, call: Call) -> dict:
    repo = hub._open(asked_repo(call).key, call.user, "write")
    del hub.repos[repo.key]
    return {}


@route("PUT", "/api/{kind}/{repo}/settings", "write")
def update_settings(hub: HubServer, call: Call, repo: Repo) -> dict:
    asked = call.json()
    repo.gated = asked.get("gated", repo.gated)
    if "private" in asked or "visibility" in asked:
        repo.private = asked.get("private", False) or asked.get("visibility") == "private"
    return {}


@route("GET", "/api/{kind}/{repo}/auth-check", "files")
@route("GET", "/api/{kind}/{repo}/auth-check/write", "write")
def auth_check(hub: HubServer, call: Call, repo: Repo) -> dict:
    return {}


@route("GET", "/api/{kind}/{repo}/refs")
def list_refs(hub: HubServer, call: Call, repo: Repo) -> dict:
    def refs(names: dict[str, str], folder: str) -> list[dict]:
        return [{"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": sha} for name, sha in names.items()]

    return {"branches": refs(repo.branches, "heads"), "tags": refs(repo.tags, "tags"), "converts": [], "pullRequests": []}


@route("POST", "/api/{kind}/{repo}/branch/{branch}", "write")
def create_branch(hub: HubServer, call: Call, repo: Repo, branch: str) -> dict:
    return add_ref(repo, repo.branches, branch, call.json().get("startingPoint", "main"))


@route("POST", "/api/{kind}/{repo}/tag/{revision}", "write")
def create_tag(hub: HubServer, call: Call, repo: Repo, revision: str) -> dict:
    return add_ref(repo, repo.tags, call.json()["tag"], revision)


@route("DELETE", "/api/{kind}/{repo}/branch/{branch}", "write")
def delete_branch(hub: HubServer, call: Call, repo: Repo, branch: str) -> dict:
    if branch == "main":
        raise Refused(403, "Cannot delete the main branch")
    return drop_ref(repo.branches, branch)


@route("DELETE", "/api/{kind}/{repo}/tag/{tag}", "write")
def delete_tag(hub: HubServer, call: Call, repo: Repo, tag: str) -> dict:
    return drop_ref(repo.tags, tag)


def add_ref(repo: Repo, refs: dict[str, str], name: str, revision: str) -> dict:
    sha = repo.at(revision).sha
    if name in refs:
        raise Refused(409, f"Reference already exists: {name}")
    refs[name] = sha
    return {}


def drop_ref(refs: dict[str, str], name: str) -> dict:
    if name not in refs:
        raise Refused(404, f"Reference does not exist: {name}", "RevisionNotFound")
    del refs[name]
    return {}


# ---- what is where ----

LISTED = ("_id", "id", "modelId", "likes", "downloads", "private", "tags", "pipeline_tag", "library_name", "sdk", "createdAt")
FULL = ("author", "sha", "lastModified", "gated", "disabled", "siblings")
LIST_OPTIONS = {"filter", "author", "search", "pipeline_tag", "sort", "limit", "full", "cardData", "config", "expand", "cursor"}


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
            sibling["lfs"] = {"size": file.size, "sha256": file.sha256, "pointerSize": len(lfs_pointer(file.sha256, file.size))}
        siblings.append(sibling)
    tags = as_list(card.get("library_name")) + ["safetensors"] * any(path.endswith(".safetensors") for path in at.files)
    tags += as_list(card.get("pipeline_tag")) + as_list(card.get("tags")) + as_list(card.get("language"))
    tags += [f"{name}:{value}" for name, key in (("license", "license"), ("dataset", "datasets")) for value in as_list(card.get(key))]
    info = {
        "_id": hashlib.sha1(repo.key.encode()).hexdigest()[:24],
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
        "usedStorage": sum(file.size for file in at.files.values()),
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
            info.get("pipeline_tag") in asked.get("pipeline_tag", [info.get("pipeline_tag")]),
        ]
        if all(wanted):
            found.append(info)
    if "sort" in asked:
        found.sort(key=lambda info: info.get(asked["sort"][0]) or 0, reverse=True)
    keys = {"_id", "id", *asked["expand"]} if "expand" in asked else set(LISTED)
    keys |= set(FULL) if call.flag("full") else set()
    keys |= {"cardData"} if call.flag("cardData") else set()
    return paged(hub, call, [{key: value for key, value in info.items() if key in keys} for info in found])


@route("GET", "/api/{kind}/{repo}")
@route("GET", "/api/{kind}/{repo}/revision/{revision}")
def repo_info(hub: HubServer, call: Call, repo: Repo, revision: str = "main") -> dict:
    info = describe(hub, repo, repo.at(revision), call.flag("blobs"))
    keys = {"_id", "id", *call.query["expand"]} if "expand" in call.query else set(info) - {"usedStorage"}
    return {key: value for key, value in info.items() if key in keys}


@route("GET", "/api/{kind}/{repo}/commits/{revision}")
def list_commits(hub: HubServer, call: Call, repo: Repo, revision: str) -> Answer:
    commits = [
        {"id": c.sha, "title": c.title, "message": c.message, "date": stamp(c.date), "authors": [{"user": c.author}]}
        for c in repo.history(repo.at(revision))
    ]
    return paged(hub, call, commits)


@route("GET", "/api/{kind}/{repo}/tree/{revision}")
@route("GET", "/api/{kind}/{repo}/tree/{revision}/{path}")
def list_tree(hub: HubServer, call: Call, repo: Repo, revision: str, path: str = "") -> Answer:
    at = repo.at(revision)
    found = [name for name in with_folders(at.files) if name.startswith(path + "/" if path else "")]
    if path and not found:
        raise Refused(404, f"{path} does not exist on {revision}", "EntryNotFound", {"X-Repo-Commit": at.sha})
    if not call.flag("recursive"):
        found = [name for name in found if "/" not in name[len(path) :].lstrip("/")]
    return paged(hub, call, [tree_entry(repo, at, name, call.flag("expand")) for name in found])


@route("POST", "/api/{kind}/{repo}/paths-info/{revision}")
def paths_info(hub: HubServer, call: Call, repo: Repo, revision: str) -> list[dict]:
    at, asked = repo.at(revision), urllib.parse.parse_qs(call.body.read_text())
    known, expand = with_folders(at.files), asked.get("expand") == ["true"]
    return [tree_entry(repo, at, path.strip("/"), expand) for path in asked.get("paths", []) if path.strip("/") in known]


def with_folders(paths: Iterable[str]) -> list[str]:
    """The paths and the folders they lie in, sorted."""
    return sorted({str(path) for name in paths for path in (name, *Path(name).parents)} - {"."})


def tree_entry(repo: Repo, at: Commit, path: str, expand: bool) -> dict:
    def content(commit: Commit) -> list:
        return sorted((name, file.oid) for name, file in commit.files.items() if name == path or name.startswith(path + "/"))

    file = at.files.get(path)
    if file is None:
        entry = {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(repr(content(at)).encode()).hexdigest()}
    else:
        entry = {"type": "file", "path": path, "size": file.size, "oid": file.oid}
        if file.lfs:
            entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": len(lfs_pointer(file.sha256, file.size))}
    if expand:
        changed = at
        for changed in repo.history(at):
            if changed.parent is None or content(repo.commits[changed.parent]) != content(at):
                break
        entry["lastCommit"] = {"id": changed.sha, "title": changed.title, "date": stamp(changed.date)}
    return entry


# ---- Spaces ----


def runtime_of(repo: Repo) -> dict:
    return {
        "stage": repo.stages[0],
        "hardware": {"current": repo.hardware if repo.stages[0] == "RUNNING" else None, "requested": repo.hardware},
        "gcTimeout": repo.sleep_time,
        "storage": None,
        "volumes": repo.volumes,
    }


@route("GET", "/api/{kind}/{repo}/runtime")
def space_runtime(hub: HubServer, call: Call, repo: Repo) -> dict:
    answer = runtime_of(repo)
    repo.stages = repo.stages[1:] or repo.stages
    return answer


@route("POST", "/api/{kind}/{repo}/(?P<setting>hardware|sleeptime|pause|restart)", "write")
def set_runtime(hub: HubServer, call: Call, repo: Repo, setting: str) -> dict:
    asked = call.json()
    if setting == "hardware":
        repo.hardware, repo.sleep_time = asked["flavor"], asked.get("sleepTimeSeconds", repo.sleep_time)
    elif setting == "sleeptime":
        repo.sleep_time = asked["seconds"]
    else:
        repo.stages = ["PAUSED"] if setting == "pause" else ["BUILDING", "RUNNING"]
    return runtime_of(repo)


@route("GET POST DELETE", "/api/{kind}/{repo}/(?P<name>secrets|variables)", "write")
def space_settings(hub: HubServer, call: Call, repo: Repo, name: str) -> dict:
    values = getattr(repo, name)
    if call.method == "POST":
        values[call.json()["key"]] = call.json() | {"updatedAt": stamp(datetime.now(UTC))}
    elif call.method == "DELETE":
        values.pop(call.json()["key"], None)
    hidden = "value" if name == "secrets" else None
    return {key: {field: item for field, item in value.items() if field != hidden} for key, value in values.items()}


@route("PUT DELETE", "/api/{kind}/{repo}/volumes", "write")
def space_volumes(hub: HubServer, call: Call, repo: Repo) -> dict:
    repo.volumes = call.json().get("volumes", []) if call.method == "PUT" else []
    return {}
