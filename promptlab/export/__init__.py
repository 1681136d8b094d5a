"""What leaves the studio: picked files under their product names, data sets, and the labels that must survive."""
