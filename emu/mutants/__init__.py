"""Wrong firmware: one place of the correct one changed, and the check that must notice. `table` has the rows, `loaders`
and `writers` the mistakes. Knows the firmware and its board, and no campaign."""
