"""What users' own test suites import, and the login-protected site that the demo crawls."""
