import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnmn_tf.data import json_stream
from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.errors import InputError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=7,
)


@settings(deadline=None)
@given(st.lists(VALUES), VALUES, st.integers(1, 17), st.sampled_from([None, 1]), st.booleans())
def test_the_elements_are_those_of_the_json_module(
    tmp_path_factory, elements, other, chunk, indent, ascii_only
):
    path = tmp_path_factory.mktemp("json") / "file.json"
    content = {"before": other, "wanted": elements, "after": other}
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
    path.write_text(text, encoding="utf-8", errors="replace")
    expected = json.loads(path.read_text(encoding="utf-8"))["wanted"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)  # numbers and texts are cut everywhere
        assert list(stream_array(path, "wanted")) == expected


def test_every_cut_of_a_file_is_noticed(tmp_path):
    path = tmp_path / "file.json"
    text = json.dumps({"info": 12.5, "wanted": [{"a": 1}, {"b": [2, "ü"]}]}, ensure_ascii=False)
    for end in range(len(text)):
        path.write_text(text[:end], encoding="utf-8")
        with pytest.raises(InputError, match="file.json: is not complete JSON.*cut short"):
            list(stream_array(path, "wanted"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"wanted": []}]', "expected '{', found '\\['"),
        ('{"info": 1, "scenes": []}', r"\['info', 'scenes'\]; expected one called 'wanted'"),
        ('{"wanted": {"0": 1}}', "'wanted' is not a list"),
        ('{"wanted": [1 2]}', "expected ',', found '2'"),
        ('{"wanted": [1, nope]}', "character 15"),
        ('{"wanted": []} {}', "more text"),
        ('{"wanted": [' + "[" * 100_000, "not complete JSON"),
    ],
)
def test_other_content_is_refused_with_its_place(text, message, tmp_path):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        list(stream_array(path, "wanted"))


def test_bytes_that_are_no_text_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(b'{"wanted": ["\xff"]}')
    with pytest.raises(InputError, match="file.json: is not UTF-8"):
        list(stream_array(path, "wanted"))
    with pytest.raises(InputError, match="none.json: cannot be read"):
        list(stream_array(tmp_path / "none.json", "wanted"))


def test_memory_is_bounded_by_an_element_and_not_by_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", 1 << 12)
    path = tmp_path / "file.json"
    path.write_text(json.dumps({"wanted": [{"text": "x" * 100}] * 20_000}))
    tracemalloc.start()
    assert sum(1 for _ in stream_array(path, "wanted")) == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000 < path.stat().st_size
