"""Where files lie: the spool and its journal."""
