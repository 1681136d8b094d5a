"""Prompt templates and experiment tracking for image generation."""

__version__ = "0.1.0"
