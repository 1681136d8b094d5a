"""The log in a browser: a Datasette plugin with its own pages, and the server of `promptlab browse`.

Importing this costs next to nothing: Datasette loads its plugin everywhere, and everything heavy waits for a call.
"""

from promptlab.browse.serve import application, build_datasette, serve, write_files

__all__ = ["application", "build_datasette", "serve", "write_files"]
