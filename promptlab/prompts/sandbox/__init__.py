"""The guarded sandbox: Jinja that can be given to strangers, with every operation bounded before it is done.

What guards what: `limits` are the numbers; `values` is what a value may be, how large, and the operators on it;
`functions` are the methods, filters and tests that there are, each with its price; `guard` is the sandbox at work: it
decides what a template reaches, and charges the budget; `compiler` makes the code that calls it, and tries both on
bombs and escapes before the first template of a process.
"""
