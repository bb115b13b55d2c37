"""`python -m kukkiri` is the command line."""

from kukkiri.cli.main import run

if __name__ == "__main__":
    run()
