"""Runs a client's procedure against anything that answers, without a radio between them."""

from collections.abc import Callable
from typing import TypeVar

from stack.ble.att import AttError, ErrorResponse, Pdu, build_pdu, parse_pdu
from stack.ble.att_server import AttServer
from stack.ble.gatt_client import Procedure

ResultT = TypeVar("ResultT")
Answer = Callable[[bytes], bytes]


class EndlessError(Exception):
    """The procedure asks more often than the test allows."""


def ask(procedure: Procedure[ResultT], answer: Answer, most: int = 10_000) -> ResultT:
    """Run `procedure` to its result, with at most `most` requests; `answer` gets and gives bytes."""
    try:
        request = next(procedure)
        for _ in range(most):
            response = parse_pdu(answer(build_pdu(request)))
            if isinstance(response, ErrorResponse):
                request = procedure.throw(AttError(response.error_code, response.handle))
            else:
                request = procedure.send(response)
    except StopIteration as end:
        result: ResultT = end.value
        return result
    raise EndlessError


def serving(server: AttServer, log: list[bytes] | None = None) -> Answer:
    """Let `server` answer; both sides' PDUs must fit the MTU. Requests go to `log`."""

    def answer(request: bytes) -> bytes:
        assert len(request) <= server.mtu
        if log is not None:
            log.append(request)
        response = server.receive(request)
        assert response is not None
        assert len(response) <= server.mtu
        return response

    return answer


def saying(*responses: Pdu) -> Answer:
    """Answer with `responses` in turn, and the last one for ever."""
    left = list(responses)
    return lambda request: build_pdu(left.pop(0) if len(left) > 1 else left[0])
