"""Sharing from a terminal: push, search, deploy-space."""

import argparse
from dataclasses import asdict
from pathlib import Path

from genart_hub.cli.options import Commands, _setting, add_command, add_json, print_json
from genart_hub.hub.publish import Publishable
from genart_hub.models import auto


def add(commands: Commands) -> None:
    """The commands of this group, each with its options."""
    command = add_command(commands, "push", push, "publish a run or a model's folder on the Hub, with its card")
    command.add_argument("folder", help="a run, a model's folder, or a bundled name")
    command.add_argument("repo_id", metavar="owner/name", help="where it is to lie on the Hub")
    command.add_argument("--license", help="such as apache-2.0, mit or cc-by-sa-3.0 (that of the folder's card)")
    command.add_argument("--private", action=argparse.BooleanOptionalAction, help="who may see it (an existing one stays as it is)")
    command.add_argument("--token", help="a token with the right to write (the stored one, or HF_TOKEN)")
    command.add_argument("--revision", help="the branch to push to; it is made where there is none")
    command.add_argument("--message", help="of the commit")
    command.add_argument("--dataset", help="a dataset that the package can attribute: mnist or emoji64")
    command.add_argument("--overwrite-card", action="store_true", help="replace a card that was edited by hand on the Hub")
    command.add_argument("--from-state-dict", metavar="CLASS", help="the folder is a .safetensors file with a state dict of this class")
    command.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="with --from-state-dict: an argument of the class")

    command = add_command(commands, "search", search, "models of this library on the Hub")
    command.add_argument("query", nargs="?", help="a word of their names (all of them)")
    command.add_argument("--family", choices=auto.families(), help="what kind they are of")
    command.add_argument("--author", help="whose they are")
    command.add_argument("--limit", type=int, default=20, help="the most to list (20)")
    add_json(command)

    command = add_command(commands, "deploy-space", deploy_space, "the app as a Hugging Face Space: create it, or update it")
    command.add_argument("repo_id", metavar="owner/name", help="the Space's name")
    command.add_argument("--hardware", choices=("zero-a10g", "cpu-basic"), default="zero-a10g", help="of the Space (zero-a10g: ZeroGPU)")
    command.add_argument("--model", action="append", default=[], metavar="owner/name", help="a public Hub model to offer and preload")
    command.add_argument("--title", help="of the Space (genart_hub)")
    command.add_argument("--private", action=argparse.BooleanOptionalAction, help="who may see it (an existing one stays as it is)")
    command.add_argument("--token", help="a token with the right to write (the stored one, or HF_TOKEN)")
    command.add_argument("--dry-run", action="store_true", help="print the files and their sizes, and upload nothing")


def push(options: argparse.Namespace) -> None:
    from genart_hub.hub.loading import from_state_dict

    model: Publishable
    if options.from_state_dict:
        model = from_state_dict(options.from_state_dict, auto.MODELS, options.folder, dict(_setting(text) for text in options.set))
    else:
        model = auto.from_pretrained(options.folder)
    commit = model.push_to_hub(
        options.repo_id,
        license=options.license,
        private=options.private,
        token=options.token,
        revision=options.revision,
        commit_message=options.message,
        dataset=options.dataset,
        overwrite_card=options.overwrite_card,
    )
    print(commit)


def search(options: argparse.Namespace) -> None:
    found = auto.search(options.query, options.family, options.author, options.limit)
    if options.json:
        return print_json([asdict(model) for model in found])
    for model in found:
        print(f"{model.id:<40} {model.family or '':<10} {model.downloads:>8} downloads {model.likes:>5} likes")
    if not found:
        print("Nothing found.")
    return None


def deploy_space(options: argparse.Namespace) -> None:
    import tempfile

    from genart_hub.hub import space
    from genart_hub.hub.names import check_repo_id

    check_repo_id(options.repo_id)
    print(space.HARDWARE[options.hardware].account)
    if options.dry_run:
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root)
            files = space.build(folder, options.hardware, options.model, options.title)
            for file in files:
                print(f"{(folder / file).stat().st_size:>12,}  {file.as_posix()}")
            print(f"{space.total(folder, files):>12,}  bytes in {len(files)} files; nothing was uploaded.")
        return
    print(space.deploy(options.repo_id, options.hardware, options.model, options.private, options.token, options.title))
