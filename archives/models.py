"""What long-term memory is: archives of passages, and which agents read them."""
