"""The worker: dispatches and drains records, executes runs and periodic tasks."""
