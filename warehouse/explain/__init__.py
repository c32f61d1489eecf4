"""Where a published number comes from: its definition, inputs, contracts and archived rows, and what other conventions make of them."""
