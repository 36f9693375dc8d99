"""Results for people and machines. Reads verdicts and stories, and runs nothing."""
