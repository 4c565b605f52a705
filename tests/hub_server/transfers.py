"""Files on their way: what a commit brings, and what a download takes."""

import base64
import hashlib
import json
import os
import re
from pathlib import Path

from .repos import (
    Answer,
    File,
    Refused,
    Repo,
    ignored,
    is_lfs,
    lfs_file,
)
from .server import Call, HubServer, route

# ---- uploads ----


@route("POST", "/api/{kind}/{repo}/preupload/{revision}", "write")
def preupload(hub: HubServer, call: Call, repo: Repo, revision: str) -> dict:
    asked, files = call.json(), repo.at(revision).files
    gitignore = asked.get("gitIgnore")
    if gitignore is None and ".gitignore" in files:
        gitignore = (hub.blobs / files[".gitignore"].sha256).read_text(encoding="utf-8")
    answers = []
    for file in asked["files"]:
        lfs = is_lfs(file["path"], file["size"], base64.b64decode(file.get("sample", "")))
        answer = {"path": file["path"], "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": ignored(file["path"], gitignore or "")}
        if file["path"] in files:
            answer["oid"] = files[file["path"]].etag
        answers.append(answer)
    return {"files": answers}


@route("POST", "/{prefix}{repo}.git/info/lfs/objects/batch", "write")
def lfs_batch(hub: HubServer, call: Call, repo: Repo) -> dict:
    objects = []
    for asked in call.json()["objects"]:
        answer = {"oid": asked["oid"], "size": asked["size"]}
        if not (hub.blobs / asked["oid"]).exists():
            upload, verify = f"{hub.url}/lfs/{asked['oid']}", f"{hub.url}/{repo.key}.git/info/lfs/objects/verify"
            answer["actions"] = {"upload": {"href": upload, "header": {}}, "verify": {"href": verify, "header": {}}}
        objects.append(answer)
    return {"transfer": "basic", "objects": objects}


@route("PUT", "/lfs/{oid}")
def lfs_upload(hub: HubServer, call: Call, oid: str) -> dict:
    with open(call.body, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != oid:
            raise Refused(400, "The content is not of the sha256 it was announced with")
    if not (hub.blobs / oid).exists():
        os.link(call.body, hub.blobs / oid)
    return {}


@route("POST", "/{prefix}{repo}.git/info/lfs/objects/verify", "write")
def lfs_verify(hub: HubServer, call: Call, repo: Repo) -> dict:
    blob = hub.blobs / call.json()["oid"]
    if not blob.exists() or blob.stat().st_size != call.json()["size"]:
        raise Refused(404, "The object was not uploaded")
    return {}


@route("POST", "/api/{kind}/{repo}/commit/{revision}", "write")
def commit(hub: HubServer, call: Call, repo: Repo, revision: str) -> dict:
    if call.flag("create_pr"):
        raise Refused(501, "hub_server has no pull requests")
    parent = repo.at(revision)
    if revision not in repo.branches:
        raise Refused(404, f"{revision} is not a branch", "RevisionNotFound")
    header, files = {}, dict(parent.files)
    with open(call.body, "rb") as lines:
        for line in lines:
            operation = json.loads(line)
            if operation["key"] == "header":
                header = operation["value"]
            else:
                apply_operation(hub, files, operation["key"], operation["value"])
    if header.get("parentCommit") and not parent.sha.startswith(header["parentCommit"]):
        raise Refused(412, "A commit has happened since. Please refresh and try again.")
    made = hub._commit(repo, revision, files, header["summary"], header.get("description", ""), call.user.name)
    return {"success": True, "commitOid": made.sha, "commitUrl": f"{hub.url}/{repo.key}/commit/{made.sha}", "hookOutput": ""}


def apply_operation(hub: HubServer, files: dict[str, File], key: str, value: dict) -> None:
    """Change `files`, path -> File, as one line of a commit says."""
    path = value["path"].rstrip("/")
    inside = [name for name in files if name.startswith(path + "/")]
    if key in ("file", "lfsFile") and (inside or any(str(folder) in files for folder in Path(path).parents)):
        raise Refused(400, f"{path} cannot be a file and a folder")
    if key == "file":
        files[path] = hub._keep(base64.b64decode(value["content"]), lfs=False)
    elif key == "lfsFile":
        if not re.fullmatch("[0-9a-f]{64}", value["oid"]) or not (hub.blobs / value["oid"]).exists():
            raise Refused(400, f"LFS pointer of {path} points to content that was not uploaded")
        files[path] = lfs_file(value["oid"], (hub.blobs / value["oid"]).stat().st_size)
    elif key in ("deletedFile", "deletedFolder"):
        doomed = inside if key == "deletedFolder" else [path] if path in files else []
        if not doomed:
            raise Refused(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        for name in doomed:
            del files[name]
    else:
        raise Refused(400, f"hub_server does not know the operation {key}")


# ---- downloads ----


@route("GET HEAD", "/{prefix}{repo}/resolve/{revision}/{path}", "files")
def resolve(hub: HubServer, call: Call, repo: Repo, revision: str, path: str) -> Answer:
    found = repo.at(revision)
    headers = {"X-Repo-Commit": found.sha}
    if path not in found.files:
        raise Refused(404, "Entry not found", "EntryNotFound", headers)
    file = found.files[path]
    headers |= {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(file.size)}
    blob, span = hub.blobs / file.sha256, re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("Range", ""))
    if not span:
        return Answer(blob, 200, headers, 0, file.size)
    start, end = int(span[1]), min(int(span[2] or file.size), file.size - 1)
    if start > end:
        raise Refused(416, "Range not satisfiable", headers={"Content-Range": f"bytes */{file.size}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{file.size}"
    return Answer(blob, 206, headers, start, end - start + 1)
