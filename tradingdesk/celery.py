"""The Celery application: `engine` is the queue of the desks, `celery` that of everything else.

It promises that a message on the queue `engine` is a hint only: it is acknowledged early and
may be lost or come twice, because the truth about who runs a desk is a row in PostgreSQL.
Tasks of the other queue are acknowledged late and therefore have to be small and idempotent.
It holds no tasks of its own.
"""

import os
import sys
import warnings
from pathlib import Path

from celery import Celery
from celery.platforms import SecurityWarning

# Celery warns of root because of pickled messages; ours are JSON and nothing else is accepted.
warnings.filterwarnings("ignore", category=SecurityWarning)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingdesk.settings")

from tradingdesk import pulse  # noqa: E402, F401 - workers and beat show that they live

app = Celery("tradingdesk")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Celery has put the folder that it was started in before ours; a folder `engine` there would be taken for the engine.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
