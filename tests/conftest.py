"""Settings of all tests.

Each worker of a parallel run uses one core, because threads that wait for each other spin. Hypothesis sets no
time limit, so that a busy machine does not make a test fail.
"""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
