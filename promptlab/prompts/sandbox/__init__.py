"""The guarded sandbox: Jinja that can be given to strangers, with every operation bounded before it is done."""
