"""A virtual LE controller that behaves like a chip: Bumble's software controller, mended.

Bumble plays controllers for its own tests, and its own host forgives much. A host stack that shall meet real chips
needs one that refuses what they refuse and tells what they tell. Each mending has a comment: what Bumble 0.0.236 does,
and what the Core specification says (volume 4, part E, 7 if only numbers are given).

The air itself stays ideal: every scanner hears every advertisement, whatever its window; nothing is lost; a connection
whose other end goes silent times out at once; connection events take no time. There is no directed or periodic
advertising, no resolving list, no data length extension, and the controller does not claim them. Durations of
advertising and scanning are taken as "until disabled".
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from bumble import hci, ll
from bumble.controller import Connection, Controller
from bumble.core import InvalidPacketError, PhysicalTransport
from bumble.link import LocalLink
from bumble.transport.common import PacketParser

from stack.station.demo.air_advertising import (
    CONNECTABLE,
    FILTER_CONNECTIONS,
    FILTER_SCANS,
    SCAN_RESPONSE,
    SCANNABLE,
    Advertisement,
    AirAdvertiser,
    AirAdvertisingSet,
    extended_report,
    legacy_report,
)
from stack.station.demo.air_rules import (
    COMMON_COMMANDS,
    EXTENDED_COMMANDS,
    LEGACY_COMMANDS,
    MAX_DATA_BYTES,
    Initiating,
    Timing,
    refusal,
    timing_of,
)

# What Bumble's controller says of its host's mistakes is told to the host, by error codes.
logging.getLogger("bumble.controller").setLevel(logging.CRITICAL)

_SETS = 4

_DEFAULT_EVENT_MASK = 0x0000_1FFF_FFFF_FFFF
_DEFAULT_LE_EVENT_MASK = 0x1F
_ENHANCED_CONNECTION_COMPLETE = 1 << 9
_NEVER_MASKED = {0x0E, 0x0F, 0x13}  # Command Complete, Command Status, Number Of Completed Packets

_FIRST_FROM_CONTROLLER, _CONTINUING = 0b10, 0b01
_FEATURES = hci.LeFeatureMask.LE_ENCRYPTION | hci.LeFeatureMask.PERIPHERAL_INITIATED_FEATURE_EXCHANGE
_DIRECTED_STATES = {3, 11, 15, 29, 30, 31, 33, 34, 36, 37, 39, 40}
_STATES = sum(1 << bit for bit in range(42) if bit not in _DIRECTED_STATES)

_Error = hci.HCI_ErrorCode
_Status = hci.HCI_StatusReturnParameters


class _AirConnection(Connection):
    """One end of a connection, which knows the other end.

    Bumble looks the other end up by the sender's random address, which fails for public addresses and for hosts that
    change theirs (volume 6, part B, 1.3: a connection keeps its addresses).
    """

    other: "_AirConnection"
    buffered = 0

    @property
    def controlled_by(self) -> "AirController":
        return cast("AirController", self.controller)

    @property
    def is_open(self) -> bool:
        return self.controller.le_connections.get(self.peer_address) is self

    def on_hci_acl_data_packet(self, packet: hci.HCI_AclDataPacket) -> None:
        """Take a packet of the host into a buffer until the next connection event.

        Bumble completes it at once, so that a host need not count. A host that sends more than there are buffers
        loses data and is told so (4.1.1; 7.7.26).
        """
        if self.controlled_by.has_buffer_for(packet):
            self.buffered += 1
            asyncio.get_running_loop().call_soon(self._transmit, packet)
        else:
            self.controller.send_hci_packet(hci.HCI_Event(b"\x01", event_code=hci.HCI_DATA_BUFFER_OVERFLOW_EVENT))

    def _transmit(self, packet: hci.HCI_AclDataPacket) -> None:
        if self.is_open:
            self.buffered -= 1
            self.controller.send_hci_packet(
                hci.HCI_Number_Of_Completed_Packets_Event(connection_handles=[self.handle], num_completed_packets=[1])
            )
            self.other.receive(packet)

    def receive(self, packet: hci.HCI_AclDataPacket) -> None:
        """Hand a fragment to the host. Bumble puts the PDU together; a chip hands over what the air brings (5.4.2)."""
        boundary = _CONTINUING if packet.pb_flag == _CONTINUING else _FIRST_FROM_CONTROLLER
        self.controller.send_hci_packet(hci.HCI_AclDataPacket(self.handle, boundary, 0, len(packet.data), packet.data))

    def send_ll_control_pdu(self, packet: ll.ControlPdu) -> None:
        asyncio.get_running_loop().call_soon(self.other.hear, packet)

    def hear(self, packet: ll.ControlPdu) -> None:
        """Take a control PDU of the other end, unless it comes too late."""
        if self.is_open:
            self.controller.on_ll_control_pdu(self.peer_address, packet)

    def terminate(self, reason: int) -> None:
        """End the connection by the host's command.

        Bumble tells the local host the reason that it gave. It learns that it was itself (0x16), only the other side
        learns the reason (7.1.6, 7.7.5).
        """
        self._end(_Error.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR)
        self.other._end(reason)

    def fall_silent(self) -> None:
        """End the connection as a reset does: no word here, a supervision timeout there."""
        del self.controller.le_connections[self.peer_address]
        self.other._end(_Error.CONNECTION_TIMEOUT_ERROR)

    def _end(self, reason: int) -> None:
        if self.is_open:
            self.controller.on_le_disconnected(self, reason)


class Air(LocalLink):
    """What the controllers share."""

    def __init__(self) -> None:
        """Start with nobody there."""
        cast("Callable[[LocalLink], None]", LocalLink.__init__)(self)  # it has no types


class _HostSink:
    """The way to the host."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.on_packet = send


class AirController(Controller):
    """One virtual controller on an air. A host plugs in, feeds H4 bytes and unplugs.

    `extended` is whether it knows extended advertising (Bluetooth 5.0) or is a 4.2 controller.
    """

    # Bumble claims what it has no handlers for (data length, PHYs, privacy, periodic advertising). What is claimed here
    # is true (7.4.2, 7.8.3, 7.8.27), and the sizes are those of small chips: 8 packets of 27 bytes (7.8.2).
    le_states = _STATES.to_bytes(8, "little")
    le_acl_data_packet_length = 27
    total_num_le_acl_data_packets = 8

    def __init__(self, air: Air, public_address: str, *, extended: bool) -> None:
        """Join the air; `public_address` in the form that people write."""
        super().__init__(public_address, link=air, public_address=public_address)
        self._parser = PacketParser(self)
        version = hci.HCI_VERSION_BLUETOOTH_CORE_5_0 if extended else hci.HCI_VERSION_BLUETOOTH_CORE_4_2
        self.hci_version = self.lmp_version = version
        # Bumble claims extended LMP features, of which there are none without BR/EDR. Linux reads what is claimed.
        self.lmp_features = hci.LmpFeatureMask.LE_SUPPORTED_CONTROLLER | hci.LmpFeatureMask.BR_EDR_NOT_SUPPORTED
        self.lmp_features_max_page_number = 0
        self.le_features = _FEATURES | (hci.LeFeatureMask.LE_EXTENDED_ADVERTISING if extended else 0)
        self.supported_commands = COMMON_COMMANDS | LEGACY_COMMANDS | (EXTENDED_COMMANDS if extended else set())
        self._forget()

    def plug(self, send: Callable[[bytes], None]) -> None:
        """Let a host use the controller; `send` takes H4 packets for it."""
        self.host = _HostSink(send)

    def unplug(self) -> None:
        """Lose the host, and with it the power."""
        self.host = None
        self._parser.reset()
        self._forget()

    def feed(self, data: bytes) -> None:
        """Take H4 bytes from the host. Bumble ignores lost synchronisation; a chip reports it (part A, 4)."""
        try:
            self._parser.feed_data(data)
        except InvalidPacketError:
            self.send_hci_packet(hci.HCI_Event(b"\x00", event_code=hci.HCI_HARDWARE_ERROR_EVENT))

    def on_packet(self, packet: bytes) -> None:
        """Take one packet. Bumble's parsers raise at broken ones; a chip answers Invalid HCI Command Parameters."""
        try:
            parsed = hci.HCI_Packet.from_bytes(packet)
        except Exception:  # whatever the bytes lead to
            if packet[0] == hci.HCI_COMMAND_PACKET:
                op_code = int.from_bytes(packet[1:3], "little")
                self._refuse(hci.HCI_Command(op_code=op_code), _Error.INVALID_COMMAND_PARAMETERS_ERROR)
        else:
            self.on_hci_packet(parsed)

    def on_hci_reset_command(self, _command: hci.HCI_Reset_Command) -> _Status:
        """Bumble's reset forgets nothing. It forgets all, and the radio falls silent (7.3.2)."""
        self._forget()
        return _Status(_Error.SUCCESS)

    def _forget(self) -> None:
        for connection in list(self.le_connections.values()):
            cast("_AirConnection", connection).fall_silent()
        self.le_legacy_advertiser.stop()
        for advertising_set in self.advertising_sets.values():
            advertising_set.stop()
        self.le_legacy_advertiser = AirAdvertiser(self)
        self.advertising_sets = {}
        self.pending_le_connection = None
        self.random_address = hci.Address.ANY_RANDOM
        self.le_scan_enable = self.filter_duplicates = False
        self.le_scan_type = self.le_scanning_filter_policy = 0
        self.event_mask, self.le_event_mask = _DEFAULT_EVENT_MASK, _DEFAULT_LE_EVENT_MASK
        self._accept_list: list[hci.Address] = []
        self._reported: set[tuple[hci.Address, int]] = set()
        self._used: set[int] = set()

    # Events

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """Send what the host has not masked.

        Bumble ignores the masks. LE events are masked until the host asks for them, all of them by bit 61 of the
        event mask and each by the LE event mask (7.3.1, 7.8.1).
        """
        if not (isinstance(packet, hci.HCI_Event) and self._is_masked(packet)):
            super().send_hci_packet(packet)

    def _is_masked(self, event: hci.HCI_Event) -> bool:
        if event.event_code in _NEVER_MASKED:
            return False
        if not self.event_mask >> (event.event_code - 1) & 1:
            return True
        return isinstance(event, hci.HCI_LE_Meta_Event) and not self.le_event_mask >> (event.subevent_code - 1) & 1

    # Commands

    def on_hci_command_packet(self, command: hci.HCI_Command) -> None:
        """Execute a command, or refuse it.

        Bumble accepts nearly everything in any state, and leaves unknown commands without an answer.
        """
        error = refusal(self, self._used, command)
        if error:
            self._refuse(command, error)
        else:
            self._used.add(command.op_code)
            super().on_hci_command_packet(command)

    def _refuse(self, command: hci.HCI_Command, error: hci.HCI_ErrorCode) -> None:
        kind = hci.HCI_Command.command_classes.get(command.op_code, hci.HCI_Command)
        if not issubclass(kind, hci.HCI_SyncCommand):
            self._send_hci_command_status(error, command.op_code)
            return
        self.send_hci_packet(
            hci.HCI_Command_Complete_Event(
                num_hci_command_packets=1, command_opcode=command.op_code, return_parameters=_Status(error)
            )
        )

    # Advertising

    def on_hci_le_set_extended_advertising_parameters_command(
        self, command: hci.HCI_LE_Set_Extended_Advertising_Parameters_Command
    ) -> hci.HCI_LE_Set_Extended_Advertising_Parameters_ReturnParameters:
        """Make the set, if there is room. Bumble has 240 of them, and makes one for a mere address (7.8.52, 7.8.53)."""
        handle = command.advertising_handle
        if handle not in self.advertising_sets:
            if len(self.advertising_sets) >= _SETS:
                return hci.HCI_LE_Set_Extended_Advertising_Parameters_ReturnParameters(
                    status=_Error.MEMORY_CAPACITY_EXCEEDED_ERROR, selected_tx_power=0
                )
            self.advertising_sets[handle] = AirAdvertisingSet(self, handle)
        return super().on_hci_le_set_extended_advertising_parameters_command(command)

    def on_hci_le_read_number_of_supported_advertising_sets_command(
        self, _command: hci.HCI_LE_Read_Number_Of_Supported_Advertising_Sets_Command
    ) -> hci.HCI_LE_Read_Number_Of_Supported_Advertising_Sets_ReturnParameters:
        """Tell how many sets there are (7.8.58)."""
        return hci.HCI_LE_Read_Number_Of_Supported_Advertising_Sets_ReturnParameters(
            status=_Error.SUCCESS, num_supported_advertising_sets=_SETS
        )

    def on_hci_le_read_maximum_advertising_data_length_command(
        self, _command: hci.HCI_LE_Read_Maximum_Advertising_Data_Length_Command
    ) -> hci.HCI_LE_Read_Maximum_Advertising_Data_Length_ReturnParameters:
        """Tell the limit. Bumble claims 1650 bytes, but never cuts its reports to size (7.7.65.13, 7.8.57)."""
        return hci.HCI_LE_Read_Maximum_Advertising_Data_Length_ReturnParameters(
            status=_Error.SUCCESS, max_advertising_data_length=MAX_DATA_BYTES
        )

    # Filter accept list: Bumble takes the commands and does nothing (7.8.15 to 7.8.17)

    def on_hci_le_clear_filter_accept_list_command(
        self, _command: hci.HCI_LE_Clear_Filter_Accept_List_Command
    ) -> _Status:
        """Empty the list."""
        self._accept_list.clear()
        return _Status(_Error.SUCCESS)

    def on_hci_le_add_device_to_filter_accept_list_command(
        self, command: hci.HCI_LE_Add_Device_To_Filter_Accept_List_Command
    ) -> _Status:
        """Add an entry, if there is room."""
        if command.address not in self._accept_list:
            if len(self._accept_list) >= self.filter_accept_list_size:
                return _Status(_Error.MEMORY_CAPACITY_EXCEEDED_ERROR)
            self._accept_list.append(command.address)
        return _Status(_Error.SUCCESS)

    def on_hci_le_remove_device_from_filter_accept_list_command(
        self, command: hci.HCI_LE_Remove_Device_From_Filter_Accept_List_Command
    ) -> _Status:
        """Remove an entry."""
        if command.address in self._accept_list:
            self._accept_list.remove(command.address)
        return _Status(_Error.SUCCESS)

    def accepts(self, address: hci.Address, advertisement: Advertisement, policy_bit: int) -> bool:
        """Tell whether an advertiser answers `address` under its filter policy (volume 6, part B, 4.3.2)."""
        return not advertisement.filter_policy & policy_bit or address in self._accept_list

    # Scanning

    def on_hci_le_set_extended_scan_parameters_command(
        self, command: hci.HCI_LE_Set_Extended_Scan_Parameters_Command
    ) -> _Status:
        """Keep the scan type, which Bumble leaves at passive (7.8.64)."""
        self.le_scan_type = command.scan_types[0]
        return super().on_hci_le_set_extended_scan_parameters_command(command)

    def on_hci_le_set_scan_enable_command(self, command: hci.HCI_LE_Set_Scan_Enable_Command) -> _Status:
        """Start anew with the filter of duplicates (7.8.11)."""
        self._reported.clear()
        return super().on_hci_le_set_scan_enable_command(command)

    def on_hci_le_set_extended_scan_enable_command(
        self, command: hci.HCI_LE_Set_Extended_Scan_Enable_Command
    ) -> _Status:
        """Start anew with the filter of duplicates (7.8.65)."""
        self._reported.clear()
        return super().on_hci_le_set_extended_scan_enable_command(command)

    def on_ll_advertising_pdu(self, packet: ll.AdvertisingPdu) -> None:
        """Hear an advertising event: report it, and connect if that is what the host waits for."""
        assert isinstance(packet, Advertisement)
        if self.le_scan_enable and self._listens_to(packet, self.le_scanning_filter_policy, self._scans_extended):
            self._report_event(packet)
        command = self.pending_le_connection
        if command and self._may_connect(command, packet):
            self._connect(command, packet)

    @property
    def _scans_extended(self) -> bool:
        return hci.HCI_LE_SET_EXTENDED_SCAN_ENABLE_COMMAND in self._used

    def _listens_to(self, packet: Advertisement, filter_policy: int, extended: bool) -> bool:
        # Who scans or connects by a legacy command does not hear extended PDUs (7.8.11, 7.8.12).
        heard = packet.is_legacy or extended
        return heard and (not filter_policy & 1 or packet.address in self._accept_list)

    def _report_event(self, packet: Advertisement) -> None:
        """Report the advertisement and, scanning actively, its scan response.

        Bumble reports the advertising data again as the scan response, to passive scanners too (7.8.10).
        """
        self._report(packet, packet.properties, packet.data)
        is_active = self.le_scan_type == hci.HCI_LE_Set_Scan_Parameters_Command.ACTIVE_SCANNING
        own = self._own_address(self.le_scan_own_address_type)
        if is_active and packet.properties & SCANNABLE and packet.sender.accepts(own, packet, FILTER_SCANS):
            self._report(packet, packet.properties | SCAN_RESPONSE, packet.scan_response)

    def _report(self, packet: Advertisement, properties: int, data: bytes) -> None:
        """Report one PDU. Bumble ignores the filter of duplicates (volume 6, part B, 4.3.3)."""
        key = (packet.address, properties)
        if self.filter_duplicates and key in self._reported:
            return
        self._reported.add(key)
        report = extended_report if self._scans_extended else legacy_report
        self.send_hci_packet(report(packet, properties, data))

    # Connections

    def _own_address(self, own_address_type: int) -> hci.Address:
        return self.public_address if own_address_type == hci.OwnAddressType.PUBLIC else self.random_address

    def _may_connect(self, command: Initiating, packet: Advertisement) -> bool:
        """Tell whether `packet` is what `command` waits for, and its sender still there to be connected to.

        Bumble ignores the filter accept list, and takes what cannot be connected to, or is connected by now.
        """
        own = self._own_address(command.own_address_type)
        policy = command.initiator_filter_policy
        extended = isinstance(command, hci.HCI_LE_Extended_Create_Connection_Command)
        return (
            self._listens_to(packet, policy, extended)
            and (bool(policy) or packet.address == command.peer_address)
            and bool(packet.properties & CONNECTABLE)
            and packet.advertiser.enabled
            and packet.sender.accepts(own, packet, FILTER_CONNECTIONS)
            and packet.address not in self.le_connections
            and own not in packet.sender.le_connections
        )

    def _connect(self, command: Initiating, packet: Advertisement) -> None:
        """Connect both ends in one step, so that of two centrals one wins. Advertising ends by it (7.8.9, 7.8.56)."""
        self.pending_le_connection = None
        packet.advertiser.stop()
        own, timing = self._own_address(command.own_address_type), timing_of(command)
        central = self._open(hci.Role.CENTRAL, own, packet.address)
        peripheral = packet.sender._open(hci.Role.PERIPHERAL, packet.address, own)
        central.other, peripheral.other = peripheral, central
        self._connected(central, timing)
        packet.sender._connected(peripheral, timing)
        if packet.set_handle is not None:
            packet.sender.send_hci_packet(
                hci.HCI_LE_Advertising_Set_Terminated_Event(_Error.SUCCESS, packet.set_handle, peripheral.handle, 0)
            )

    def _open(self, role: hci.Role, own: hci.Address, peer: hci.Address) -> _AirConnection:
        connection = _AirConnection(
            controller=self,
            handle=self.allocate_connection_handle(),
            role=role,
            self_address=own,
            peer_address=peer,
            link=self.link,
            transport=PhysicalTransport.LE,
            link_type=hci.HCI_Connection_Complete_Event.LinkType.ACL,
        )
        self.le_connections[peer] = connection
        return connection

    def _connected(self, connection: _AirConnection, timing: Timing) -> None:
        self._connection_event(_Error.SUCCESS, connection.handle, connection.role, connection.peer_address, timing)

    def _connection_event(
        self, status: hci.HCI_ErrorCode, handle: int, role: hci.Role, peer: hci.Address, timing: Timing
    ) -> None:
        """Tell the host how connecting ended.

        Bumble invents the peripheral's timing, and never sends the enhanced event, which takes the place of the plain
        one wherever the host has not masked it (7.7.65.1, 7.7.65.10).
        """
        none = hci.Address.ANY_RANDOM
        event: hci.HCI_LE_Meta_Event
        if self.le_event_mask & _ENHANCED_CONNECTION_COMPLETE:
            event = hci.HCI_LE_Enhanced_Connection_Complete_Event(
                status, handle, role, peer.address_type, peer, none, none, *timing, central_clock_accuracy=0
            )
        else:
            event = hci.HCI_LE_Connection_Complete_Event(
                status, handle, role, peer.address_type, peer, *timing, central_clock_accuracy=0
            )
        self.send_hci_packet(event)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> _Status:
        """Give up connecting. Bumble goes on; an event after the answer ends the procedure (7.8.13)."""
        self.pending_le_connection = None
        asyncio.get_running_loop().call_soon(
            self._connection_event,
            _Error.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            0,
            hci.Role.CENTRAL,
            hci.Address.ANY,
            (0, 0, 0),
        )
        return _Status(_Error.SUCCESS)

    def on_hci_disconnect_command(self, command: hci.HCI_Disconnect_Command) -> None:
        """End a connection after what is buffered for it, so that a last packet arrives."""
        connection = self.find_le_connection_by_handle(command.connection_handle)
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        asyncio.get_running_loop().call_soon(cast("_AirConnection", connection).terminate, command.reason)

    def has_buffer_for(self, packet: hci.HCI_AclDataPacket) -> bool:
        """Tell whether `packet` fits into a free buffer; all connections share them (7.8.2)."""
        in_use = sum(cast("_AirConnection", each).buffered for each in self.le_connections.values())
        return in_use < self.total_num_le_acl_data_packets and len(packet.data) <= self.le_acl_data_packet_length
