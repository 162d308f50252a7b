"""What Hydra gets of ours: configs of installed tasks, launcher and sweeper, names of folders.

Only the command line uses this: a search path plug-in affects all Hydra programs in a process.
"""

import secrets

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from gru_suite.plugins import installed_packages
from gru_suite.sweeps.expansion import sweep_name
from gru_suite.sweeps.launcher import ProcessLauncher
from gru_suite.sweeps.sweeper import LedgerSweeper

CONFIGS = "pkg://gru_suite.conf"


class TaskPackagesSearchPath(SearchPathPlugin):
    """Search path with the configs of installed task packages, which are not imported."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the configs of this package and of task packages, after those of a rerun."""
        if all(element.path != CONFIGS for element in search_path.get_path()):
            search_path.append("gru-suite", CONFIGS)
        for package in installed_packages()[0]:
            search_path.append(package.package, f"file://{package.conf}")


def prepare_hydra() -> None:
    """Register the search path, launcher and sweeper, a new short id and the names of sweeps.

    ``${short_id:}`` gives six hexadecimal digits, the same in all jobs of a run or sweep, and
    ``${sweep_folder:}`` a name that is the same for the same command line.
    """
    plugins = Plugins.instance()
    plugins.register(TaskPackagesSearchPath)
    # Hydra takes plug-ins of its own package and of hydra_plugins alone, by name.
    for plugin in (ProcessLauncher, LedgerSweeper):
        plugins.class_name_to_class[f"hydra_plugins.gru_suite.{plugin.__name__}"] = plugin
    short_id = secrets.token_hex(3)
    # Cached in the config, so that the worker processes of a launcher get the id of their sweep.
    OmegaConf.register_new_resolver("short_id", lambda: short_id, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("sweep_folder", sweep_name, use_cache=True, replace=True)
