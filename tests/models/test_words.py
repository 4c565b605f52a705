"""What a model of words reads of a prompt, and what it says of words that it does not know."""

import json

import pytest
import torch
from pipelines import TEXT, byte_tokenizer
from refusals import code_of

from genart_hub.errors import GenartError
from genart_hub.hub.names import NAMES
from genart_hub.models.vocabulary import Vocabulary
from genart_hub.models.words import TOKENIZER, TOKENIZER_LIMIT, Words, check_prompts

COLOURS = tuple(f"红{thing}" for thing in ("心", "旗", "花", "灯", "茶"))
VOCABULARY = Vocabulary(
    {"text": ("red apple", "smiling face with sunglasses", "panda"), "text_zh": ("红苹果", "雪人", "飞碟", "脚", *COLOURS)}, ("noto",)
)


@pytest.fixture
def words():
    torch.manual_seed(0)
    words = Words(TEXT).eval()
    words.tokenizer, words.vocabulary = byte_tokenizer().backend_tokenizer, VOCABULARY
    return words


# ---- which words are known ----


@pytest.mark.parametrize(
    ("prompt", "known", "unknown"),
    [
        ("red apple", ("red", "apple"), ()),
        ("RED Panda, noto style", ("red", "panda", "noto", "style"), ()),
        ("blue apple", ("blue", "apple"), ("blue",)),
        ("红苹果", ("红苹果",), ()),
        ("雪人，noto 风格", ("雪人", "noto", "风格"), ()),
        ("苹果雪人", ("苹果", "雪人"), ()),
        ("绿苹果", ("绿", "苹果"), ("绿",)),
        ("红雪人", ("红", "雪人"), ()),
        ("脚雪", ("脚", "雪"), ("雪",)),
        ("яблоко", ("яблоко",), ("яблоко",)),
        ("apple apple", ("apple",), ()),
        ("", (), ()),
        ("?!", (), ()),
    ],
)
def test_each_word_of_a_prompt_is_known_or_not(prompt, known, unknown):
    found = VOCABULARY.knows(prompt)
    assert (found.words, found.unknown) == (known, unknown)
    assert bool(found) == (bool(known) and not unknown)


@pytest.mark.parametrize(
    ("prompt", "near"),
    [("red aple", "red apple"), ("pandas", "panda"), ("sunglases", "smiling face with sunglasses"), ("绿苹果", "红苹果")],
)
def test_names_that_come_near_are_told(prompt, near):
    assert near in VOCABULARY.knows(prompt).near


@pytest.mark.parametrize(
    ("prompt", "hears"), [("blue apple", True), ("雪", True), ("绿", False), ("blue", False), ("", False), ("!", False)]
)
def test_anything_of_a_name_is_heard(prompt, hears):
    assert VOCABULARY.hears(prompt) is hears


def test_nothing_is_near_where_all_is_known():
    assert VOCABULARY.knows("red apple").near == ()


def test_a_long_prompt_is_looked_through_in_no_time():
    assert len(VOCABULARY.knows("苹果" * 1000 + "apple " * 100).words) == 2


def test_a_vocabulary_is_written_and_read(tmp_path):
    VOCABULARY.write(tmp_path / NAMES)
    assert Vocabulary.read(tmp_path / NAMES) == VOCABULARY


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"styles": [], "names": []}',
        '{"styles": [1], "names": {}}',
        '{"styles": "noto", "names": {}}',
        '{"styles": [], "names": {"text": "apple"}}',
    ],
)
def test_a_file_without_names_is_refused(tmp_path, content):
    (tmp_path / NAMES).write_text(content)
    assert code_of(lambda: Vocabulary.read(tmp_path / NAMES)) == "bad_names"


# ---- tokens and features ----


def test_tokens_begin_and_end_and_are_filled_up(words):
    tokens = words.tokens(["ab", "a" * 40])
    assert tokens.shape == (2, 16)
    assert tokens[0, 0] == 512
    assert tokens[0, 3:].tolist() == [513] * 13
    assert tokens[1, 0] == 512
    assert tokens[1, -1] == 513
    assert (tokens[1, 1:-1] < 512).all()


def test_the_end_that_is_not_read_is_told(words):
    assert words.unread("short") == ""
    assert words.unread("a" * 14 + "bc") == "bc"


def test_a_prompt_s_features_do_not_depend_on_the_others(words):
    together = words(["red apple", "panda", "a much longer prompt than these"])
    torch.testing.assert_close(words(["panda"]), together[1:2], rtol=0, atol=1e-6)
    assert not torch.allclose(together[0], together[1])


def test_the_filling_is_not_pooled(words):
    tokens = words.tokens(["ab"])
    states = words.states(tokens)[0]
    torch.testing.assert_close(words.pooled(tokens)[0], states[:4].mean(dim=0))


def test_features_are_normalised(words):
    pooled = words.pooled(words.tokens(["ab"]))
    words.mean.fill_(1.0)
    words.std.fill_(2.0)
    torch.testing.assert_close(words(["ab"]), (pooled - 1) / 2)


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({}, "bad_text_config"),
        (TEXT | {"auto_map": "x"}, "bad_text_config"),
        ("text", "bad_text_config"),
        (TEXT | {"num_hidden_layers": 10**9}, "out_of_range"),
        (TEXT | {"hidden_size": 0}, "out_of_range"),
        (TEXT | {"vocab_size": "many"}, "not_whole"),
    ],
)
def test_wild_sizes_are_refused(config, code):
    assert code_of(lambda: Words(config)) == code


@pytest.mark.parametrize("content", ["", "{}", json.dumps({"model": {"type": "Unknown"}})])
def test_a_file_that_is_no_tokenizer_is_refused(words, tmp_path, content):
    words.write(tmp_path)
    (tmp_path / TOKENIZER).write_text(content)
    assert code_of(lambda: words.read({name: tmp_path / name for name in (TOKENIZER, NAMES)})) == "bad_tokenizer"


def test_a_tokenizer_that_is_far_too_large_is_refused_before_it_is_read(words, tmp_path):
    words.write(tmp_path)
    with (tmp_path / TOKENIZER).open("ab") as file:
        file.truncate(TOKENIZER_LIMIT + 1)
    with pytest.raises(GenartError, match="4,000,001 bytes") as error:
        words.read({name: tmp_path / name for name in (TOKENIZER, NAMES)})
    assert error.value.code == "bad_tokenizer"


def test_a_tokenizer_of_more_tokens_than_the_encoder_knows_is_refused(words, tmp_path):
    words.write(tmp_path)
    small = Words(TEXT | {"vocab_size": 100})
    assert code_of(lambda: small.read({name: tmp_path / name for name in (TOKENIZER, NAMES)})) == "bad_tokenizer"


def test_a_text_encoder_without_its_tokenizer_says_so():
    words = Words(TEXT)
    for call in (lambda: words(["a"]), lambda: words.unread("a")):
        assert code_of(call) == "no_tokenizer"


# ---- prompts ----


@pytest.mark.parametrize(
    ("prompt", "n", "code"),
    [
        ("", 1, "empty_prompt"),
        (" \n", 1, "empty_prompt"),
        (["a", ""], 2, "empty_prompt"),
        (["a"], 2, "prompt_count"),
        ("a" * 2001, 1, "long_prompt"),
        (3, 1, "not_text"),
        ([None], 1, "not_text"),
        ([["a"]], 1, "not_text"),
    ],
)
def test_a_prompt_that_says_nothing_is_refused(prompt, n, code):
    assert code_of(lambda: check_prompts("TextVAE", prompt, n)) == code


def test_one_prompt_is_that_of_all_pictures():
    assert check_prompts("TextVAE", " red fox ", 3) == ["red fox"] * 3
    assert check_prompts("TextVAE", ("a", "b"), 2) == ["a", "b"]
    with pytest.raises(GenartError):
        check_prompts("TextVAE", {"a": 1}, 1)
