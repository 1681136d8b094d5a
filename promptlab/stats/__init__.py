"""The statistics of a verdict: votes → worths with intervals that cover; paired proportions and scores; power. Pure.

Standard library only; each module names the papers that it follows.
"""
