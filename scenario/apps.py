"""The Django application of this folder: its name and label, nothing else."""

from django.apps import AppConfig


class ScenarioConfig(AppConfig):
    name = "scenario"
    verbose_name = "Scenarios"
    default_auto_field = "django.db.models.BigAutoField"
