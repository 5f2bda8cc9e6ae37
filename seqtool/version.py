"""Version of seqtool; the only definition."""

VERSION = "0.1.0"
