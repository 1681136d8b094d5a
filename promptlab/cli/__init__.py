"""The command line: one small file per command, which parses, calls and prints."""

import atexit
import gc

# Here, before anything else is imported: nearly everything that a short command makes, its modules above all, lives
# until it ends. Looking for garbage in that as it grows, and once more at the end, took a fifth of `promptlab plan`.
gc.set_threshold(100_000)
atexit.register(gc.freeze)
