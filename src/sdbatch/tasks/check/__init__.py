"""``task=check``: is a research object what was published, and does it render again?

    integrity   every file against its digests, the digests against each other; whether anything is missing
    crate       what is in it: jobs, records, profiles, weights
    again       a sample rendered again and compared
    report      the results as a table and as JSON
    run         the task

A crate is untrusted: whatever it contains, the result is a message and nothing is written outside a temporary folder.
"""
