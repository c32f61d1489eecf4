"""One run as a list of steps: plan, fetch, parse, load, check, publish, alert, report."""
