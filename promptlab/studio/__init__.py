"""Before anything is sent: the studio opened, an experiment prepared, previewed, and consented to."""
