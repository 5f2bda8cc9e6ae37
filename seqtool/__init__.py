"""seqtool: train small recurrent sequence models from YAML files and put them to work in the shell."""

from seqtool.version import VERSION as __version__

__all__ = ["__version__"]
