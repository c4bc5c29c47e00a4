"""A reader study: do people tell synthetic scans from real ones, and do heatmaps help them?"""
