"""A reader study: can readers tell synthetic scans from real ones, and do heatmaps help?

`command` is imported by the command line and imports the rest lazily; pictures come from
`html.images`, the axis of the plot from `html.charts`, and nothing imports this package.
"""
