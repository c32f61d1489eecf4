"""A soak test: hundreds of runs over all venues, with faults and kills, while somebody reads.

Whatever happened on the way, at the end a rebuild from raw/ equals the warehouse bit for bit, and no publication was ever broken.
`make soak` runs it whole. One file, one subject:

    plan        what each run asks, when, which faults it meets, when it is killed; from a seed
    variety     the faults, with the settings that keep them quick
    job         the process that runs `strikehouse snapshot`, over and over, until it is killed
    worker      what that process does
    steps       its count of changes to files below the home, so that it can be killed before the n-th
    phases      how far a run had come, seen from outside
    reader      the process that opens what is published, all the time
    publication what a reader checks in one publication
    soak        one soak: the runs, then the end
    ending      what must hold at the end
    tally       what happened, counted
"""
