"""What holds for every ring: no test is timed, for the machine may be busy with others."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
if settings.get_current_profile_name() == "default":  # the lab and `make fuzz` have profiles of their own
    settings.load_profile("unhurried")
