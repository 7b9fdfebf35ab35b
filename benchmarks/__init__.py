"""What parallel calls gain and what a call costs. Each module prints its figures and ends with 1 where a goal is missed."""
