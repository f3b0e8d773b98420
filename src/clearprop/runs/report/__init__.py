"""The report: runs as one HTML file that needs nothing but itself."""
