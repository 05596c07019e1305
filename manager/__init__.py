"""The manager's face: the admin site, the audit, the demo."""
