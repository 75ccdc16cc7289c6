"""``python -m affectbench``."""

from affectbench.cli import main

main()
