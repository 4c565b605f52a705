"""What programs find: the endpoints, each with a sentence, names, defaults and ranges; every snippet runs as it is; MCP tools."""

import asyncio
import json
import re
import subprocess
import urllib.request
from pathlib import Path

import httpx
import pytest
from gradio import routes
from gradio_client import Client, handle_file, snippet
from gradio_client.exceptions import AppError
from over_http import GAN, digit, same_picture
from PIL import Image
from running import DIGITS, EMOJI, PIPELINE, running_app

import genart_hub
from genart_hub import images
from genart_hub.errors import GenartError
from genart_hub.ui import programs


def info_of(app) -> dict[str, dict]:
    with urllib.request.urlopen(f"{app.url}/gradio_api/info", timeout=60) as answer:
        return json.load(answer)["named_endpoints"]


def test_each_endpoint_says_in_english_what_it_does_and_takes(tiny_app):
    found = info_of(tiny_app)
    assert found.keys() == {f"/{name}" for name in programs.ABOUT}
    assert len(found) <= 9
    for name, endpoint in found.items():
        assert endpoint["description"] == programs.ABOUT[name[1:]]
        assert endpoint["description"].endswith(".")
        for one in endpoint["parameters"]:
            assert one["parameter_name"] in programs.TAKES, one
            assert one["parameter_has_default"], one
            assert one["type"]["description"], one
            assert not re.search(r"tmp|uploads|__i18n__", repr(one["parameter_default"]))
        names = [one["label"] for one in (*endpoint["parameters"], *endpoint["returns"])]
        assert all(isinstance(one, str) and re.fullmatch(r"[A-Z][\w,' ()-]+", one) for one in names), names
    count = next(one for one in found["/sample"]["parameters"] if one["parameter_name"] == "n")
    assert (count["parameter_default"], count["type"]["minimum"], count["type"]["maximum"]) == (16, 1, 64)
    steps = next(one for one in found["/denoise"]["parameters"] if one["parameter_name"] == "num_steps")
    assert steps["type"]["anyOf"][0]["maximum"] == 1000


@pytest.mark.parametrize("name", programs.ABOUT)
@pytest.mark.slow
def test_its_snippets_run_as_they_are(request, capsys, name):
    """The shell's too; that in JavaScript needs a package of another language. /recipe reads a picture that only bundled models have."""
    app = request.getfixturevalue("app" if name == "recipe" else "tiny_app")
    snippets = info_of(app)[f"/{name}"]["code_snippets"]
    exec(compile(snippets["python"], name, "exec"), {})
    assert len(capsys.readouterr().out) > 50
    ran = subprocess.run(["bash", "-c", snippets["bash"]], capture_output=True, text=True, timeout=300)
    assert "event: complete\ndata: [" in ran.stdout, ran.stdout + ran.stderr
    assert "Traceback" not in app.terminal


def test_gradio_s_own_snippet_for_a_shell_loses_the_name_of_its_job_and_ours_keeps_it(monkeypatch):
    """Where Gradio writes another one, this fails, and what mends it can go."""
    monkeypatch.setattr(routes, "generate_code_snippets", None)
    programs.mend_shell_snippets()
    asked = ("/models", {"parameters": [], "returns": []}, "http://127.0.0.1")
    theirs, ours = snippet.generate_code_snippets(*asked), routes.generate_code_snippets(*asked)
    assert "\n  | read EVENT_ID; curl -N " in theirs["bash"]
    assert re.search(r"\n  \| \{ read EVENT_ID; curl -N \S+/\$EVENT_ID; \}$", ours["bash"])
    assert theirs["python"] == ours["python"]


def test_what_the_page_calls_for_itself_is_neither_shown_nor_called_by_its_name(tiny_app, tmp_path):
    program = Client(tiny_app.url, download_files=tmp_path, verbose=False)
    shown = program.view_api(all_endpoints=True, return_format="dict", print_info=False)["named_endpoints"]
    assert shown.keys() == {f"/{name}" for name in programs.ABOUT}
    own = {of["api_name"] for of in program.config["dependencies"]} - programs.ABOUT.keys()
    assert {"compare_on_page", "restore", "search", "arrive"} <= own
    with httpx.Client(base_url=f"{tiny_app.url}/gradio_api/") as plain:
        for name in ("arrive", "compare_on_page", "restore", "search"):  # a few: the Gate counts what one address asks
            with pytest.raises(ValueError, match="Cannot find a function"):
                program.predict(api_name=f"/{name}")
            for door in ("call", "call/v2", "run", "api"):
                assert plain.post(f"{door}/{name}", json={"data": []}).status_code == 404


def beyond(info: dict[str, dict]) -> list[tuple[str, str, float]]:
    """An endpoint, a field and a number out of its range, for both ends of every range that the page of the API tells."""
    found = []
    for endpoint, about in info.items():
        for one in about["parameters"]:
            told = one["type"].get("anyOf", [one["type"]])[0]
            if "minimum" in told:
                found += [(endpoint, one["parameter_name"], told["minimum"] - 1), (endpoint, one["parameter_name"], told["maximum"] + 1)]
    return found


def refused(client: Client, endpoint: str, field: str, value: float) -> str:
    """The sentence that an endpoint gives to a field's value."""
    try:
        client.predict(**{field: value}, api_name=endpoint)
    except AppError as error:
        return str(error)
    return f"{endpoint} takes {field} = {value}"


def test_every_field_beyond_its_range_is_told_in_a_sentence(tiny_app, tiny_clients):
    cases, before = beyond(info_of(tiny_app)), len(tiny_app.terminal)
    assert {endpoint for endpoint, *_ in cases} == {f"/{name}" for name in programs.ABOUT} - {"/models", "/recipe", "/reconstruct"}
    for endpoint, field, value in cases:
        sentence = refused(tiny_clients["en"], endpoint, field, value)
        assert sentence.endswith("."), (endpoint, field, value, sentence)
        assert "\n" not in sentence
        assert re.search(r"must be|too large a number", sentence), (endpoint, field, value, sentence)
    assert "Traceback" not in tiny_app.terminal[before:]


def test_the_comparison_is_a_dictionary_of_models_in_the_order_of_history(tiny_clients, tiny_weights):
    answers = tiny_clients["en"].predict(n=2, seed=5, ladder="emoji", prompt="rocket", label="food-drink", api_name="/compare")
    assert list(answers) == [*EMOJI, PIPELINE]
    for name, answer in answers.items():
        assert {"pictures", "captions", "seconds", "parameters", "multiply_adds", "metrics"} <= answer.keys()
        assert answer["seconds"] > 0
        assert len(answer["pictures"]) == 2
        assert answer["captions"][1].endswith("seed 6")
        request = {"prompt": "rocket"} if name == PIPELINE else {"label": "food-drink"} if name == "dcgan-emoji" else {}
        drawn = genart_hub.from_pretrained(tiny_weights / name).sample(1, 6, **request)
        assert same_picture(Image.open(answer["pictures"][1]), images.to_pil(drawn[0]))
    assert answers["dcgan-emoji"]["metrics"]["frechet"] == {"value": 7.25, "real": 1.5}


def test_a_picture_comes_out_of_the_noise_with_the_steps_and_guidance_that_are_asked_for(tiny_clients):
    moments = tiny_clients["en"].predict(prompt="rocket", num_steps=3, guidance=1, api_name="/denoise")
    assert [moment["caption"] for moment in moments] == [f"step {k} of 3" for k in range(4)]
    more = tiny_clients["zh"].predict(prompt="rocket", num_steps=3, guidance=9, api_name="/denoise")
    assert more[-1]["caption"] == "第 3 / 3 步"
    assert not same_picture(Image.open(moments[-1]["image"]), Image.open(more[-1]["image"]))


def test_a_prompt_is_drawn_over_a_picture_as_much_as_the_strength_says(tiny_clients, tiny_weights, tmp_path):
    file = digit(tmp_path)
    model = genart_hub.from_pretrained(tiny_weights / PIPELINE)
    x = images.from_pil(images.open_picture(file), model.image_size, model.channels)
    for strength in (0.2, 0.9):
        given = tiny_clients["en"].predict(handle_file(file), "rocket", strength=strength, n=2, seed=4, api_name="/img2img")
        expected = images.to_pil(model.img2img(x, 2, 4, prompt="rocket", strength=strength))
        assert [one["caption"] for one in given] == ["seed 4", "seed 5"]
        assert same_picture(Image.open(given[1]["image"]), expected[1])


@pytest.mark.parametrize(
    ("endpoint", "asked", "sentence"),
    [
        ("/denoise", {"model_name": GAN}, f"odel must be one of {PIPELINE}, got '{GAN}'."),
        ("/denoise", {"num_steps": 1001}, "Steps from noise to picture must be between 1 and 1000, got 1001."),
        ("/denoise", {"guidance": -1}, "(guidance) must be between 0 and 50, got -1"),
        ("/img2img", {"model_name": GAN}, f"odel must be one of {PIPELINE}, got '{GAN}'."),
        ("/img2img", {"strength": 2}, "strength must be between 0.01 and 1, got 2"),
        ("/img2img", {"n": 5}, "How many pictures must be between 1 and 4, got 5."),
        ("/compare", {"n": 17}, "How many pictures must be between 1 and 16, got 17."),
        ("/compare", {"ladder": "cats"}, "Trained on must be one of emoji, digits, got 'cats'."),
        ("/compare", {"label": "3x"}, "here is no class '3x'."),
        ("/sample", {"model_name": PIPELINE, "n": 1, "num_steps": 0}, "Steps from noise to picture must be between 1 and 1000, got 0."),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(tiny_clients, endpoint, asked, sentence):
    with pytest.raises(AppError) as refusal:
        tiny_clients["en"].predict(**asked, api_name=endpoint)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_model_that_fails_keeps_no_other_from_its_answer(tiny_model, monkeypatch, tmp_path):
    models = programs.ModelCache()
    painter = models.painter

    def failing(name):
        if name == "gan-mnist":
            raise GenartError("job_too_long", limit=900)
        return painter(name)

    monkeypatch.setattr(models, "painter", failing)
    found = programs.answers(models, "en", 1, 0, 1, "", "digits", "")
    assert found.keys() == set(DIGITS)
    assert found["gan-mnist"].keys() == {"error"}
    assert Path(found["vae-mnist"]["pictures"][0]["path"]).is_file()


def test_mcp_without_its_package_names_the_cure(monkeypatch):
    monkeypatch.delenv("GENART_MCP", raising=False)
    assert programs.mcp_server() is False
    monkeypatch.setenv("GENART_MCP", "1")
    monkeypatch.setattr(programs, "find_spec", lambda name: None)
    with pytest.raises(GenartError, match='pip install "mcp'):
        programs.mcp_server()


@pytest.mark.slow
def test_the_endpoints_are_mcp_tools(tiny_weights, tmp_path):
    pytest.importorskip("mcp", reason="MCP tools need the package mcp")
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def call(url: str):
        async with streamable_http_client(f"{url}/gradio_api/mcp/") as (reading, writing, _), ClientSession(reading, writing) as session:
            await session.initialize()
            tools = (await session.list_tools()).tools

            async def heard(*_):
                """Whoever listens to the progress gets pictures, not only their addresses."""

            drawn = await session.call_tool("sample", {"model_name": GAN, "n": 2, "seed": 3}, progress_callback=heard)
            refused = await session.call_tool("sample", {"model_name": "no-such-model", "n": 1})
            return tools, drawn, refused

    with pytest.MonkeyPatch.context() as patch, running_app(tmp_path, tiny_weights, GENART_MCP="1") as app:
        patch.setenv("NO_PROXY", "127.0.0.1")
        tools, drawn, refused = asyncio.run(call(app.url))
        assert "Traceback" not in app.terminal
    assert [tool.description.partition(" If a user")[0] for tool in tools] == [programs.ABOUT[name] for name in order_of(tools)]
    sample = next(tool for tool in tools if tool.name == "sample").inputSchema["properties"]
    assert sample["n"] | {"title": ""} == {"type": "integer", "minimum": 1, "maximum": 64, "default": 16, "title": "",
                                           "description": "How many pictures: 1 to 64"}  # fmt: skip
    assert not drawn.isError
    assert any(one.type == "image" and one.mimeType == "image/png" for one in drawn.content)
    assert refused.isError
    assert "There is no model 'no-such-model'." in refused.content[0].text


def order_of(tools) -> list[str]:
    return [tool.name.removeprefix("list_") for tool in tools]
