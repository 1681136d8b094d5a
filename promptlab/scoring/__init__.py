"""Scores of images: what can be measured, read back or judged, and checks that an experiment asks for."""
