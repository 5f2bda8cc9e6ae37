"""`python -m seqtool`: the same as the console script."""

from seqtool.cli.main import main

if __name__ == "__main__":
    main()
