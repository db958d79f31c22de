"""What is rendered, as values: jobs and their ids, sizes, ranges, costs, and the interface of a renderer.

Knows no configuration, folders or devices.
"""
