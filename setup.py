"""Build step that pyproject.toml cannot express: copy the examples into the package for `init --example`."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithExamples(build_py):
    """Copy `configs` and `data` to `seqtool/examples`; an editable installation reads the originals."""

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
