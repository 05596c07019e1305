"""The Django application of this folder: its name and label, nothing else."""

from django.apps import AppConfig


class DealingConfig(AppConfig):
    name = "dealing"
    verbose_name = "Dealing"
    default_auto_field = "django.db.models.BigAutoField"
