"""The doctor: why a network does not learn, in findings with their evidence, verdict and remedy.

`diagnose` looks at a network and its data; `Watch` looks while `fit` trains. What healthy is, and why, stands in
thresholds.py; each illness is a function of a `Case`, whose measurements they share.
"""

from clearprop.lens.doctor.examine import diagnose
from clearprop.lens.doctor.finding import Diagnosis, Finding, Look
from clearprop.lens.doctor.watch import Watch

__all__ = ["Diagnosis", "Finding", "Look", "Watch", "diagnose"]
