"""A stranger's plugin: cells divide, age and die."""
