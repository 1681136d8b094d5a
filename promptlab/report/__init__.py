"""One file to send: the verdict, the pictures, and where they come from, as HTML, Markdown or PDF."""
