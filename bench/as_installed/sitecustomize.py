"""Hides from the processes that the bench times what only development installs: DuckDB loads pandas wherever it is, and users have none."""

import sys
from importlib.abc import MetaPathFinder


class _NotInstalled(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not part of an installation", name=fullname)


sys.meta_path.insert(0, _NotInstalled())
