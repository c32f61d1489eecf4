"""What people look at: charts drawn from the published tables."""
