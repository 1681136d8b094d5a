"""YAML text with positions → Experiment; promptlab.yaml → Settings; the JSON schema for editors.

Names are imported from the module that defines them, so that who needs `nearest` does not load PyYAML.
"""
