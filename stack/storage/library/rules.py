"""Which template a file gets: the first rule that matches its type and its sender, else the default."""

from collections.abc import Mapping
from dataclasses import dataclass

from stack.storage.library.errors import RuleError
from stack.storage.library.kinds import Kind
from stack.storage.library.template import DEFAULT_TEMPLATE, Template, parse_template

_DEFAULT = parse_template(DEFAULT_TEMPLATE)
_KEYS = ("path", "type", "brand", "device")


@dataclass(frozen=True, slots=True)
class Rule:
    """A template for files of one kind, of one brand or of one phone; None matches any. Case does not matter."""

    template: Template
    kind: Kind | None = None
    brand: str | None = None
    device: str | None = None

    def matches(self, kind: Kind, brand: str, device: str) -> bool:
        """Whether everything that the rule asks for is so."""
        return self.kind in (None, kind) and _same(self.brand, brand) and _same(self.device, device)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in their order, and the template for what none of them matches."""

    rules: tuple[Rule, ...] = ()
    default: Template = _DEFAULT

    def template_for(self, kind: Kind, brand: str, device: str) -> Template:
        """The template of the first rule that matches."""
        return next((rule.template for rule in self.rules if rule.matches(kind, brand, device)), self.default)


def parse_rule(settings: Mapping[str, object]) -> Rule:
    """Read a rule: `path`, and any of `type`, `brand`, `device`. Raises `RuleError`, `TemplateError`."""
    for key, value in settings.items():
        if key not in _KEYS:
            raise RuleError(f"a rule of the library has the unknown key {key!r}", f"The keys are {', '.join(_KEYS)}.")
        if not isinstance(value, str):
            raise RuleError(f"{key!r} in a rule of the library is no text", "Put it in quotation marks.")
    texts = {key: str(value) for key, value in settings.items()}
    if "path" not in texts:
        raise RuleError("a rule of the library has no path", f"Add one, for example path = {DEFAULT_TEMPLATE!r}.")
    return Rule(parse_template(texts["path"]), _kind(texts.get("type")), texts.get("brand"), texts.get("device"))


def _kind(said: str | None) -> Kind | None:
    if said is None:
        return None
    try:
        return Kind(said)
    except ValueError:
        kinds = ", ".join(kind.value for kind in Kind)
        raise RuleError(f"{said!r} is no type of file", f"The types are {kinds}.") from None


def _same(wanted: str | None, name: str) -> bool:
    return wanted is None or wanted.casefold() == name.casefold()
