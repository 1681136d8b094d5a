"""What git and the log know of the past: versions of a template, and what was made from each."""
