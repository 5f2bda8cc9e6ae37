"""The build's one step beyond pyproject.toml: the examples go into the package, so that `init --example` has them everywhere."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithExamples(build_py):
    """Copies `configs` and `data` to `seqtool/examples`; in a clone they are read from where they lie."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for folder, pattern in (("configs", "*"), ("data", "toy*")):
            target = Path(self.build_lib) / "seqtool" / "examples" / folder
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted((ROOT / folder).glob(pattern)):
                shutil.copyfile(path, target / path.name)


setup(cmdclass={"build_py": BuildWithExamples})
