"""python -m deltarule: the command line, also where its script is not on the path."""

from deltarule.cli import main

if __name__ == "__main__":
    main()
