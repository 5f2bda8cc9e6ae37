"""What all tests share: each worker of a parallel run keeps to one core, since threads that wait for each other spin."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
