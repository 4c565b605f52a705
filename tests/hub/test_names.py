"""What names a model, a part of it, or who asks for it, is looked at before anything is sent."""

from pathlib import Path

import pytest
from on_loopback import push
from refusals import code_of

import genart_hub
from genart_hub.errors import GenartError
from genart_hub.hub.names import check_subfolder
from genart_hub.models.stable_diffusion.estimate import estimate


@pytest.mark.parametrize(
    "subfolder", ["../gan", "a/../../b", "..", "/etc", "C:\\a", "a\\..\\b", "a\0b", "a\nb", "a" * 300, "/", 5, b"a", ["a"]]
)
def test_a_subfolder_lies_inside_the_model(client, subfolder):
    for name in ("me/gan", "gan-mnist", "./models"):
        assert code_of(lambda name=name: genart_hub.from_pretrained(name, subfolder=subfolder)) == "bad_subfolder"
    assert not client.requests


def test_a_subfolder_may_be_written_in_other_ways():
    assert {check_subfolder(name) for name in ("a/b", "./a//b/", Path("a/b"))} == {"a/b"}
    assert {check_subfolder(name) for name in (None, "", ".", "./")} == {None}


@pytest.mark.parametrize("token", ["ключ", "a b", "a\n", "a" * 2000, 5, b"write", ["write"]])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(client, gan, token):
    calls = [
        lambda: genart_hub.from_pretrained("me/gan", token=token),
        lambda: push(gan, token=token),
        lambda: estimate("me/gan", token=token),
    ]
    for call in calls:
        with pytest.raises(GenartError) as error:
            call()
        assert error.value.code == "bad_token"
        assert str(token) not in str(error.value)
    assert not client.requests


def test_a_token_of_the_environment_is_looked_at_too(client, gan, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "ключ")
    assert code_of(lambda: genart_hub.from_pretrained("me/gan")) == "bad_token"
    assert code_of(lambda: push(gan)) == "bad_token"
    monkeypatch.setenv("HF_TOKEN", " write\n")
    push(gan)


@pytest.mark.parametrize(
    "revision", ["../../x", "a..b", "a b", "/a", "a/", "a~1", "a^", "a:b", "a?", "a\n", "a\0", "x" * 300, 5, b"main", ["main"]]
)
def test_a_revision_that_git_would_not_take_is_refused(client, gan, revision):
    assert code_of(lambda: genart_hub.from_pretrained("me/gan", revision=revision)) == "bad_revision"
    assert code_of(lambda: push(gan, revision=revision)) == "bad_revision"
    assert not client.requests


@pytest.mark.parametrize("revision", ["main", "v1.0", "feature/x", "中文", None, ""])
def test_a_revision_of_any_writing_is_asked_for(client, gan, revision):
    push(gan)
    sha = client.repos["me/gan"].tags[revision or "main"] = client.repos["me/gan"].at("main").sha
    assert genart_hub.from_pretrained("me/gan", revision=revision).source.revision == sha


@pytest.mark.parametrize("variant", ["../x", "a/b", "", "..", "a b", "fp16\n", 5, b"fp16", "x" * 100])
def test_a_variant_is_a_word(client, pipeline_folder, variant):
    for name in ("me/gan", "gan-mnist", pipeline_folder):
        assert code_of(lambda name=name: genart_hub.from_pretrained(name, variant=variant)) == "bad_variant"


@pytest.mark.parametrize("cache_dir", [5, "", "a\0b", b"cache", ["cache"]])
def test_a_cache_is_a_folder(client, cache_dir):
    assert code_of(lambda: genart_hub.from_pretrained("me/gan", cache_dir=cache_dir)) == "bad_cache_dir"


@pytest.mark.parametrize("query", [5, ["a"], "a" * 201, "half \ud83d"])
def test_a_search_for_what_is_no_text_is_refused(client, query):
    assert code_of(lambda: genart_hub.search(query)) == "not_text"
    assert code_of(lambda: genart_hub.search(author=query)) == "not_text"
    assert not client.requests
