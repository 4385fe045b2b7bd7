"""The root of every error that Ferry raises on purpose.

Errors are split by fault, as h11 does: ours (`LocalProtocolError`) and the peer's (`RemoteProtocolError`).
Leaves live beside the code that raises them. `str(error)` is one plain sentence; `remedy` says what a person can
do about it, because errors end as an LED pattern and a sentence on a screen.
"""


class FerryError(Exception):
    """Something went wrong that has a name. The message is one plain sentence."""

    remedy: str = ""

    def explain(self) -> str:
        """What happened and what can be done about it, as one line."""
        return f"{str(self).rstrip('.')}. {self.remedy}".rstrip()


class LocalProtocolError(FerryError):
    """We asked a protocol machine for something its state does not allow: a bug of ours."""


class RemoteProtocolError(FerryError):
    """The peer sent something that its protocol does not allow: bad luck or bad intent, never our bug."""
