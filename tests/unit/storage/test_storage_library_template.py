"""Path templates: what is refused, and that no value leads out of the library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.storage.library.errors import RuleError, TemplateError
from stack.storage.library.kinds import Kind, kind_of
from stack.storage.library.rules import Rules, parse_rule
from stack.storage.library.template import DEFAULT_TEMPLATE, FIELDS, MAX_COMPONENTS, parse_template

VALUES = {
    "year": "2026",
    "month": "11",
    "day": "23",
    "name": "IMG_0001.jpg",
    "device": "Anna's phone",
    "brand": "Xiaomi",
    "type": "photo",
    "task": "17",
    "hash8": "0a1b2c3d",
    "seq": "0003",
}

values = st.fixed_dictionaries(
    {field: st.text(st.characters() | st.sampled_from("/\\.- :?*CONUL\0\n\ud800"), max_size=300) for field in FIELDS}
)
pieces = st.sampled_from([*(f"{{{field}}}" for field in FIELDS if field != "name"), "-", "a", ".", " ", "é", "CON"])
templates = st.lists(st.lists(pieces, min_size=1, max_size=6).map("".join), max_size=MAX_COMPONENTS - 1).map(
    lambda folders: "/".join([*folders, "{seq}{name}"])
)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (DEFAULT_TEMPLATE, "2026/2026-11-23/IMG_0001.jpg"),
        ("{name}", "IMG_0001.jpg"),
        ("{brand}/{device}/{type}/{seq}-{hash8}-{name}", "Xiaomi/Anna's phone/photo/0003-0a1b2c3d-IMG_0001.jpg"),
        ("From {task}/{name}", "From 17/IMG_0001.jpg"),
    ],
)
def test_a_template_renders(template: str, path: str) -> None:
    assert parse_template(template).render(VALUES) == path


@pytest.mark.parametrize(
    ("field", "value", "folder"),
    [
        ("device", "../../etc", "_.._.._etc"),
        ("device", "a/b\\c", "a_b_c"),
        ("device", "", "unknown"),
        ("device", "What?", "What_"),
        ("device", "nul", "_nul"),
        ("device", "Anna. ", "Anna"),
        ("device", "..", "file"),
    ],
)
def test_values_become_harmless(field: str, value: str, folder: str) -> None:
    assert parse_template(f"{{{field}}}/{{name}}").render(VALUES | {field: value}) == f"{folder}/IMG_0001.jpg"


@pytest.mark.parametrize(
    ("template", "position", "says"),
    [
        ("", 0, "no name"),
        ("/{year}/{name}", 0, "no name"),
        ("{year}//{name}", 7, "no name"),
        ("{year}/{name}/", 14, "no name"),
        ("../{name}", 0, "not every server"),
        ("{year}/../{name}", 7, "not every server"),
        ("./{name}", 0, "not every server"),
        ("{year}/{hour}/{name}", 7, "no field {hour}"),
        ("{}/{name}", 0, "no field {}"),
        ("{year/{name}", 0, "no partner"),
        ("year}/{name}", 4, "no partner"),
        ("{{year}}/{name}", 0, "no partner"),
        ("{year}: all/{name}", 6, "not every server"),
        ("{year}\\{name}", 6, "not every server"),
        ("{year}/con/{name}", 7, "not every server"),
        ("{year} /{name}", 6, "not every server"),
        (".hidden/{name}", 0, "not every server"),
        ("{year}\n/{name}", 6, "not every server"),
        ("{year}", 6, "{name} is missing"),
        ("{name}/{year}", 13, "{name} is missing"),
        ("{name}.jpg", 10, "{name} is missing"),
        ("{name}/{name}", 13, "{name} is missing"),
        ("a/" * MAX_COMPONENTS + "{name}", 21, "more than 8"),
    ],
)
def test_a_bad_template_is_refused_with_its_place(template: str, position: int, says: str) -> None:
    with pytest.raises(TemplateError, match=says.replace("{", r"\{")) as caught:
        parse_template(template)
    assert caught.value.position == position
    assert caught.value.remedy


def test_an_unknown_field_names_all_fields() -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template("{nmae}")
    assert all(f"{{{field}}}" in caught.value.explain() for field in FIELDS)


@given(template=templates, values=values)
def test_no_path_leaves_the_library(template: str, values: dict[str, str]) -> None:
    try:
        path = parse_template(template).render(values)
    except TemplateError:
        return
    components = path.split("/")
    assert len(components) == template.count("/") + 1
    for component in components:
        assert component not in ("", ".", "..")
        assert component[0] not in ".-"
        assert component[-1] not in ". "
        assert len(component.encode()) <= 255
        assert not set(component) & set('<>:"|?*\\')
        assert all(ord(letter) >= 32 and not 0x7F <= ord(letter) < 0xA0 for letter in component)


@given(st.text(st.sampled_from("{}/.a namey:"), max_size=40))
def test_whatever_is_no_template_is_an_error_of_ours(text: str) -> None:
    try:
        template = parse_template(text)
    except TemplateError as error:
        place = error.position
    else:
        place = template.render(VALUES).index("IMG_0001.jpg")
    assert place in range(len(text) + 1 + len(DEFAULT_TEMPLATE))


def test_the_first_rule_that_matches_decides() -> None:
    rules = Rules(
        (
            parse_rule({"type": "raw", "path": "RAW/{name}"}),
            parse_rule({"device": "Anna's phone", "type": "video", "path": "Anna/videos/{name}"}),
            parse_rule({"brand": "xiaomi", "path": "Xiaomi/{name}"}),
        )
    )

    def path(name: str, brand: str, device: str) -> str:
        return rules.template_for(kind_of(name), brand, device).render(VALUES | {"name": name})

    assert path("a.dng", "Xiaomi", "Anna's phone") == "RAW/a.dng"
    assert path("a.MP4", "Xiaomi", "anna's PHONE") == "Anna/videos/a.MP4"
    assert path("a.jpg", "Xiaomi", "Anna's phone") == "Xiaomi/a.jpg"
    assert path("a.jpg", "OPPO", "") == "2026/2026-11-23/a.jpg"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"path": "{name}", "sender": "Anna"}, "unknown key 'sender'"),
        ({"type": "photo"}, "no path"),
        ({"path": "{name}", "type": "picture"}, "'picture' is no type"),
        ({"path": 7}, "no text"),
    ],
)
def test_a_bad_rule_is_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(RuleError, match=says) as caught:
        parse_rule(settings)
    assert caught.value.remedy


def test_a_rule_has_a_good_template() -> None:
    with pytest.raises(TemplateError):
        parse_rule({"path": "../{name}"})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPG", Kind.PHOTO),
        ("a.heic", Kind.PHOTO),
        ("a.dng", Kind.RAW),
        ("a.CR3", Kind.RAW),
        ("a.mov", Kind.VIDEO),
        ("PXL_1.MP", Kind.VIDEO),
        ("a.pdf", Kind.OTHER),
        ("jpg", Kind.OTHER),
        (".jpg", Kind.OTHER),
    ],
)
def test_kinds(name: str, kind: Kind) -> None:
    assert kind_of(name) is kind
