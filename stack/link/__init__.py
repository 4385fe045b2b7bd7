"""The P2P link manager: from "here are SSID and passphrase" to "there is a road to the phone", and away again."""
