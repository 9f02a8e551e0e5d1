"""`python -m svdd` is the command line."""

from svdd.cli.main import main

if __name__ == "__main__":
    main()
