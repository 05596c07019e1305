"""The composition root: settings, addresses, processes. The one place that knows all parts."""

from tradingdesk.celery import app as celery_app

__all__ = ["celery_app"]
