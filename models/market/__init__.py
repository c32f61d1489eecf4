"""The market: trading calendar, roots, schedules."""
