from __future__ import annotations

from hypothesis import HealthCheck, settings

# How fast a busy machine makes up examples is no property of the code: no deadline, and no health check on speed.
settings.register_profile("relook", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("relook")
