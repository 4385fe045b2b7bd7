"""The forwarder: carries what lies in the spool to the user's sinks, and lets go of it only when it is safe there."""
