"""What is learned of each object, a task a file: labels, loss, decisions, scores, columns, words and figures."""
