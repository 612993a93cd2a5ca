"""What is true: plain code without threads, actors or a browser; time and randomness are passed in."""
