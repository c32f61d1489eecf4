"""Where a published number comes from: its definition, inputs, contracts and archived rows, and its value by other conventions."""
