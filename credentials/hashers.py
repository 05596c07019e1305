"""How passwords are hashed: Argon2id with 19 MiB, two passes, one lane, which OWASP names as the least that is enough.

Django's own default takes 100 MiB and eight lanes, so that a handful of log-ins a second takes a small machine from
those who trade. Hashes made with other figures are renewed when their owner logs in.
"""

from django.contrib.auth.hashers import Argon2PasswordHasher

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1


class Argon2(Argon2PasswordHasher):
    """Argon2id at these figures."""

    time_cost = PASSES
    memory_cost = MEMORY_KIB
    parallelism = LANES
