"""The library: which name and folder a file gets in the user's archive, and by which date."""
