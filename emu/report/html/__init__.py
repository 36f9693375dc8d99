"""A run as one HTML file: no script, style, font or picture of it comes from anywhere else."""
