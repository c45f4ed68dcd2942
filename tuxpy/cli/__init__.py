"""The command line. `main` is the console script."""

from .main import main as main
