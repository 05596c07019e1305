"""The Django application of this folder: its name and label, nothing else."""

from django.apps import AppConfig


class ManagerConfig(AppConfig):
    name = "manager"
    verbose_name = "Manager"
    default_auto_field = "django.db.models.BigAutoField"
