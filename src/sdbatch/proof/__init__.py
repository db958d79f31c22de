"""What was rendered, proven and kept in order: the tasks on what is there already. Writes by way of ``store`` only.

tasks      one function per task, as in ``app``
verify     is every file as recorded, and does rendering again give the same bits?
repair     damaged files, put right
reproduce  one file again, from what it says of itself
foreign    … of what other tools say
final      chosen jobs of a draft with other settings
prune      what no kept plan wants any more
again      jobs rendered again, into a temporary place, as recorded
compare    how far apart pictures, films and profiles are
kept       jobs as a folder keeps them
report     what people read of it
"""
