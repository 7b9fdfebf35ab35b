"""What agents can read: folders of files, the text of each, and which files an agent has open."""
