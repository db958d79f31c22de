"""What is rendered, as values: jobs and their ids, sizes, ranges, costs, and the interface of a renderer.

Does not depend on configuration, folders or devices.
"""
