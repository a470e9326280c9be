"""LoRA Studio's one entry: `python app.py` serves the page; demo, train and inspect do without a browser."""

import sys

from studio.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
