"""What phones do against the specification, by name, with the evidence (alliance protocol, 7).

Codecs and machines use these; nothing else in this package knows a brand's habits. Three habits need no entry,
because a general rule covers them: OPPO's bare `files` frame (what does not parse is ignored), OPPO's unknown
`wlanBandwidth` action (every action is acknowledged), and CatShare's `versions`, which is the string "[1]" (only
`version` is read).
"""

from typing import Final

# ZTE and Honor send only `id`, CatShare both (protocol 6.4, read in ZTE's code).
TASK_ID_FIELDS: Final = ("taskId", "id")

# OPPO's desktop client cancels with this action instead of `status`, and gives no type (OSharePC, from
# the decompiled app).
CANCEL_ACTION: Final = "stat"


def outermost_braces(data: bytes) -> bytes:
    """Cut `data` to what lies between the first and the last brace.

    mtapy saw bytes in front of the JSON that a phone wrote over GATT (protocol 3.2).
    """
    return data[max(data.find(b"{"), 0) : data.rfind(b"}") + 1]


def announced_bytes(total_size: int | None) -> int:
    """Read `totalSize`; 0 means that it is not known.

    CatShare before commit e702a65 counted in 32 bits, and turned negative from 2 GiB on (protocol 6.4).
    """
    return max(total_size or 0, 0)
