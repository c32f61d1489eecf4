"""What is wrong with this machine, home or venue, and how to repair it."""
