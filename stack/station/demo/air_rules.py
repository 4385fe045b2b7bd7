"""What a virtual controller refuses, and why: Bumble's accepts nearly everything, in any state.

The numbers are clauses of the Core specification, volume 4, part E.
"""

from collections.abc import Callable
from typing import Any, Final

from bumble import hci
from bumble.controller import Controller

from stack.station.demo.air_advertising import PROPERTIES_OF_TYPE

MAX_DATA_BYTES: Final = 31

COMMON_COMMANDS: Final = {
    hci.HCI_DISCONNECT_COMMAND,
    hci.HCI_SET_EVENT_MASK_COMMAND,
    hci.HCI_RESET_COMMAND,
    hci.HCI_READ_LOCAL_VERSION_INFORMATION_COMMAND,
    hci.HCI_READ_LOCAL_SUPPORTED_COMMANDS_COMMAND,
    hci.HCI_READ_LOCAL_SUPPORTED_FEATURES_COMMAND,
    hci.HCI_READ_BD_ADDR_COMMAND,
    hci.HCI_LE_SET_EVENT_MASK_COMMAND,
    hci.HCI_LE_READ_BUFFER_SIZE_COMMAND,
    hci.HCI_LE_READ_LOCAL_SUPPORTED_FEATURES_COMMAND,
    hci.HCI_LE_SET_RANDOM_ADDRESS_COMMAND,
    hci.HCI_LE_CREATE_CONNECTION_CANCEL_COMMAND,
    hci.HCI_LE_READ_FILTER_ACCEPT_LIST_SIZE_COMMAND,
    hci.HCI_LE_CLEAR_FILTER_ACCEPT_LIST_COMMAND,
    hci.HCI_LE_ADD_DEVICE_TO_FILTER_ACCEPT_LIST_COMMAND,
    hci.HCI_LE_REMOVE_DEVICE_FROM_FILTER_ACCEPT_LIST_COMMAND,
    hci.HCI_LE_CONNECTION_UPDATE_COMMAND,
    hci.HCI_LE_READ_REMOTE_FEATURES_COMMAND,
    hci.HCI_LE_RAND_COMMAND,
    hci.HCI_LE_ENABLE_ENCRYPTION_COMMAND,
    hci.HCI_LE_LONG_TERM_KEY_REQUEST_REPLY_COMMAND,
    hci.HCI_LE_LONG_TERM_KEY_REQUEST_NEGATIVE_REPLY_COMMAND,
    hci.HCI_LE_READ_SUPPORTED_STATES_COMMAND,
}
LEGACY_COMMANDS: Final = {
    hci.HCI_LE_SET_ADVERTISING_PARAMETERS_COMMAND,
    hci.HCI_LE_READ_ADVERTISING_PHYSICAL_CHANNEL_TX_POWER_COMMAND,
    hci.HCI_LE_SET_ADVERTISING_DATA_COMMAND,
    hci.HCI_LE_SET_SCAN_RESPONSE_DATA_COMMAND,
    hci.HCI_LE_SET_ADVERTISING_ENABLE_COMMAND,
    hci.HCI_LE_SET_SCAN_PARAMETERS_COMMAND,
    hci.HCI_LE_SET_SCAN_ENABLE_COMMAND,
    hci.HCI_LE_CREATE_CONNECTION_COMMAND,
}
EXTENDED_COMMANDS: Final = {
    hci.HCI_LE_SET_ADVERTISING_SET_RANDOM_ADDRESS_COMMAND,
    hci.HCI_LE_SET_EXTENDED_ADVERTISING_PARAMETERS_COMMAND,
    hci.HCI_LE_SET_EXTENDED_ADVERTISING_DATA_COMMAND,
    hci.HCI_LE_SET_EXTENDED_SCAN_RESPONSE_DATA_COMMAND,
    hci.HCI_LE_SET_EXTENDED_ADVERTISING_ENABLE_COMMAND,
    hci.HCI_LE_READ_MAXIMUM_ADVERTISING_DATA_LENGTH_COMMAND,
    hci.HCI_LE_READ_NUMBER_OF_SUPPORTED_ADVERTISING_SETS_COMMAND,
    hci.HCI_LE_REMOVE_ADVERTISING_SET_COMMAND,
    hci.HCI_LE_CLEAR_ADVERTISING_SETS_COMMAND,
    hci.HCI_LE_SET_EXTENDED_SCAN_PARAMETERS_COMMAND,
    hci.HCI_LE_SET_EXTENDED_SCAN_ENABLE_COMMAND,
    hci.HCI_LE_EXTENDED_CREATE_CONNECTION_COMMAND,
}

_PROPERTIES = {*PROPERTIES_OF_TYPE.values(), 0x00, 0x01, 0x02}
_DATA_PARAMETER_BYTES = 1 + MAX_DATA_BYTES
_DISCONNECT_REASONS = {0x05, 0x13, 0x14, 0x15, 0x1A, 0x29, 0x3B}
_PHY_1M = 0x01

_Error = hci.HCI_ErrorCode
Initiating = hci.HCI_LE_Create_Connection_Command | hci.HCI_LE_Extended_Create_Connection_Command
Timing = tuple[int, int, int]  # connection interval in 1.25 ms, peripheral latency in events, timeout in 10 ms


def timing_of(command: Initiating) -> Timing:
    """Return the timing that the connection will have."""
    if isinstance(command, hci.HCI_LE_Extended_Create_Connection_Command):
        return command.connection_interval_maxs[0], command.max_latencies[0], command.supervision_timeouts[0]
    return command.connection_interval_max, command.max_latency, command.supervision_timeout


def refusal(controller: Controller, used: set[int], command: hci.HCI_Command) -> hci.HCI_ErrorCode | None:
    """Return why a chip in the state of `controller` refuses `command`. `used` are the opcodes since the reset."""
    if command.op_code not in controller.supported_commands:
        return _Error.UNKNOWN_HCI_COMMAND_ERROR
    # Legacy and extended commands may not be mixed between two resets (3.1.1).
    if used & _other_family(command.op_code) or _is_busy_for(controller, command):
        return _Error.COMMAND_DISALLOWED_ERROR
    if _phys_of(command) & ~_PHY_1M:
        return _Error.UNSUPPORTED_FEATURE_OR_PARAMETER_VALUE_ERROR  # 7.8.64, 7.8.66
    if not (_phys_of(command) and _in_range(command)):
        return _Error.INVALID_COMMAND_PARAMETERS_ERROR
    return _refusal_by_target(controller, command) or _refusal_by_address(controller, command)


def _other_family(op_code: int) -> set[int]:
    if op_code in LEGACY_COMMANDS:
        return EXTENDED_COMMANDS
    return LEGACY_COMMANDS if op_code in EXTENDED_COMMANDS else set()


def _is_busy_for(controller: Controller, command: hci.HCI_Command) -> bool:
    """Tell whether what runs forbids `command` (7.8.4, 7.8.5, 7.8.13, 7.8.52, 7.8.53, 7.8.59, 7.8.60, 7.8.64)."""
    advertising = controller.le_legacy_advertiser.enabled
    match command:
        case hci.HCI_LE_Set_Random_Address_Command():
            return advertising or controller.le_scan_enable or controller.pending_le_connection is not None
        case hci.HCI_LE_Set_Advertising_Parameters_Command():
            return advertising
        case hci.HCI_LE_Set_Extended_Scan_Parameters_Command():
            return controller.le_scan_enable
        case hci.HCI_LE_Create_Connection_Cancel_Command():
            return controller.pending_le_connection is None
        case (
            hci.HCI_LE_Set_Extended_Advertising_Parameters_Command()
            | hci.HCI_LE_Set_Advertising_Set_Random_Address_Command()
            | hci.HCI_LE_Remove_Advertising_Set_Command()
        ):
            known = controller.advertising_sets.get(command.advertising_handle)
            return known is not None and known.enabled
        case hci.HCI_LE_Clear_Advertising_Sets_Command():
            return any(each.enabled for each in controller.advertising_sets.values())
    return False


def _refusal_by_target(controller: Controller, command: hci.HCI_Command) -> hci.HCI_ErrorCode | None:
    """Check that what `command` is about is there, or in Create Connection that it is not."""
    if _sets_of(command) - controller.advertising_sets.keys():
        return _Error.UNKNOWN_ADVERTISING_IDENTIFIER_ERROR
    match command:
        case hci.HCI_Disconnect_Command() | hci.HCI_LE_Read_Remote_Features_Command():
            if not controller.find_le_connection_by_handle(command.connection_handle):
                return _Error.UNKNOWN_CONNECTION_IDENTIFIER_ERROR
        case hci.HCI_LE_Connection_Update_Command():
            connection = controller.find_le_connection_by_handle(command.connection_handle)
            if connection and connection.role == hci.Role.PERIPHERAL:
                return _Error.UNSUPPORTED_REMOTE_FEATURE_ERROR  # it may only ask, over L2CAP (7.8.18)
        case hci.HCI_LE_Create_Connection_Command() | hci.HCI_LE_Extended_Create_Connection_Command():
            if not command.initiator_filter_policy and command.peer_address in controller.le_connections:
                return _Error.CONNECTION_ALREADY_EXISTS_ERROR
    return None


def _sets_of(command: hci.HCI_Command) -> set[int]:
    """Return the advertising sets that must be there for `command` (7.8.52, 7.8.56, 7.8.59)."""
    match command:
        case hci.HCI_LE_Set_Advertising_Set_Random_Address_Command() | hci.HCI_LE_Remove_Advertising_Set_Command():
            return {command.advertising_handle}
        case hci.HCI_LE_Set_Extended_Advertising_Enable_Command():
            return set(command.advertising_handles)
    return set()


def _refusal_by_address(controller: Controller, command: hci.HCI_Command) -> hci.HCI_ErrorCode | None:
    """Check that the random address is there that `command` needs (7.8.9, 7.8.11, 7.8.12, 7.8.56, 7.8.65, 7.8.66)."""
    kind: int = hci.OwnAddressType.PUBLIC
    match command:
        case hci.HCI_LE_Set_Advertising_Enable_Command(advertising_enable=1):
            kind = controller.le_legacy_advertiser.own_address_type
        case (
            hci.HCI_LE_Set_Scan_Enable_Command(le_scan_enable=1) | hci.HCI_LE_Set_Extended_Scan_Enable_Command(enable=1)
        ):
            kind = controller.le_scan_own_address_type
        case hci.HCI_LE_Create_Connection_Command() | hci.HCI_LE_Extended_Create_Connection_Command():
            kind = command.own_address_type
        case hci.HCI_LE_Set_Extended_Advertising_Enable_Command(enable=1):
            if not all(controller.advertising_sets[handle].address for handle in command.advertising_handles):
                return _Error.INVALID_COMMAND_PARAMETERS_ERROR
    if kind != hci.OwnAddressType.PUBLIC and controller.random_address == hci.Address.ANY_RANDOM:
        return _Error.INVALID_COMMAND_PARAMETERS_ERROR
    return None


def _phys_of(command: hci.HCI_Command) -> int:
    """Return the bits of the PHYs that `command` would use."""
    match command:
        case hci.HCI_LE_Set_Extended_Scan_Parameters_Command():
            return command.scanning_phys
        case hci.HCI_LE_Extended_Create_Connection_Command():
            return command.initiating_phys
    return _PHY_1M


def _in_range(command: hci.HCI_Command) -> bool:
    """Check the parameters that hosts get wrong."""
    check = _CHECKS.get(type(command))
    return check is None or check(command)


def _fits_31_bytes(command: Any) -> bool:
    return len(command.parameters) == _DATA_PARAMETER_BYTES and command.parameters[0] <= MAX_DATA_BYTES


def _advertises_soundly(command: hci.HCI_LE_Set_Advertising_Parameters_Command) -> bool:
    known = command.advertising_type in PROPERTIES_OF_TYPE and command.own_address_type <= 1
    return known and 0x20 <= command.advertising_interval_min <= command.advertising_interval_max <= 0x4000


def _advertises_a_set_soundly(command: hci.HCI_LE_Set_Extended_Advertising_Parameters_Command) -> bool:
    known = command.advertising_event_properties in _PROPERTIES and command.own_address_type <= 1
    return known and 0x20 <= command.primary_advertising_interval_min <= command.primary_advertising_interval_max


def _connects_soundly(command: Initiating) -> bool:
    interval, latency, timeout = timing_of(command)
    # The timeout must outlast two intervals with their latency.
    return 6 <= interval <= 0x0C80 and timeout * 4 > (1 + latency) * interval and timeout <= 0x0C80


_CHECKS: dict[type[hci.HCI_Command], Callable[[Any], bool]] = {
    hci.HCI_Disconnect_Command: lambda command: command.reason in _DISCONNECT_REASONS,  # 7.1.6
    hci.HCI_LE_Set_Advertising_Parameters_Command: _advertises_soundly,  # 7.8.5
    hci.HCI_LE_Set_Advertising_Data_Command: _fits_31_bytes,  # 7.8.7
    hci.HCI_LE_Set_Scan_Response_Data_Command: _fits_31_bytes,  # 7.8.8
    hci.HCI_LE_Set_Scan_Parameters_Command: (  # 7.8.10
        lambda command: 4 <= command.le_scan_window <= command.le_scan_interval <= 0x4000
    ),
    hci.HCI_LE_Create_Connection_Command: _connects_soundly,  # 7.8.12
    hci.HCI_LE_Set_Extended_Advertising_Parameters_Command: _advertises_a_set_soundly,  # 7.8.53
    hci.HCI_LE_Set_Extended_Advertising_Data_Command: (  # 7.8.54
        lambda command: len(command.advertising_data) <= MAX_DATA_BYTES
    ),
    hci.HCI_LE_Set_Extended_Scan_Response_Data_Command: (  # 7.8.55
        lambda command: len(command.scan_response_data) <= MAX_DATA_BYTES
    ),
    hci.HCI_LE_Set_Extended_Advertising_Enable_Command: (  # 7.8.56
        lambda command: not command.enable or bool(command.advertising_handles)
    ),
    hci.HCI_LE_Set_Extended_Scan_Parameters_Command: (  # 7.8.64
        lambda command: 4 <= command.scan_windows[0] <= command.scan_intervals[0]
    ),
    hci.HCI_LE_Extended_Create_Connection_Command: _connects_soundly,  # 7.8.66
}
