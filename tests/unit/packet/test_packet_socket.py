"""A packet socket as far as any user may go; with frames on a wire it is tested in the lab."""

import pytest

from drivers.packet.packet_socket import Ethertype, PacketSocket, PacketSocketError


def test_an_interface_that_is_not_there() -> None:
    with pytest.raises(PacketSocketError) as failed:
        PacketSocket("ferry-nowhere", Ethertype.ARP)
    assert str(failed.value).startswith("Packets cannot be exchanged on ferry-nowhere: ")
    assert ("CAP_NET_RAW" in failed.value.remedy) == ("Operation not permitted" in str(failed.value))
