"""One file to send: a run with its verdict, its pictures and how they were made."""
