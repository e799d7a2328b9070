import pytest

from lnmn_tf.data.programs import FAMILIES, count_hops, program_functions, question_family
from lnmn_tf.errors import InputError


@pytest.mark.parametrize("key", ["function", "type"])
@pytest.mark.parametrize(
    ("last", "family"),
    [
        ("count", "count"),
        ("exist", "exist"),
        ("equal_integer", "compare_number"),
        ("less_than", "compare_number"),
        ("greater_than", "compare_number"),
        *((f"query_{name}", "query_attribute") for name in ("color", "material", "shape", "size")),
        *(
            (f"equal_{name}", "compare_attribute")
            for name in ("color", "material", "shape", "size")
        ),
    ],
)
def test_the_last_function_tells_the_family(key, last, family):
    assert question_family([{key: "scene"}, {key: "unique"}, {key: last}]) == family
    assert family in FAMILIES


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ([{"function": "scene"}, {"function": "guess"}, {"function": "count"}], "'guess'"),
        ([{"function": "scene"}, {"function": "unique"}], "ends in 'unique'"),
        ([], "ends in None"),
        ([{"name": "scene"}], "'function' \\(or 'type'\\)"),
        ([{"function": ["count"]}], "'function' \\(or 'type'\\)"),
        (["count"], "'function' \\(or 'type'\\)"),
        (7, "'7'"),
    ],
)
def test_other_programs_are_refused(program, message):
    with pytest.raises(InputError, match=message):
        question_family(program)


def test_a_hop_goes_from_object_to_objects():
    names = ["scene", "unique", "relate", "unique", "same_size", "filter_color", "count"]
    assert count_hops(program_functions([{"function": name} for name in names])) == 2
