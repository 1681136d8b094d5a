"""Running: claim → reserve → pace → send → download → store → log; resuming; the summary."""
