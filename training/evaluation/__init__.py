"""How strong an agent is: matches, sequential tests, ladders, won endings, the audit of masks."""
