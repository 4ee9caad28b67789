"""Errors a user may see: what is wrong, what was given, what to do.

HarnessError                 exit code 1
├── UsageError               exit code 2: the command line asks for something that can't be
│   ├── KnobError            a setting with a wrong name, type or value
│   ├── IncompatibleError    parts that don't fit together
│   └── MissingEnvironment   a named environment that is not here, or no longer fits
├── SourceError              data or weights missing, or not what their checksum says
├── StoreError               the database of record can't be read or written
├── PluginError              a plugin can't be imported, or breaks its contract
├── WorkerError              a worker process died, hung or ran out of memory
└── RegressionError          exit code 3: a comparison fails a condition it was given
"""

from __future__ import annotations


class HarnessError(Exception):
    """Shown to the user without a traceback."""

    exit_code = 1


class UsageError(HarnessError):
    exit_code = 2


class KnobError(UsageError):
    pass


class IncompatibleError(UsageError):
    pass


class MissingEnvironment(UsageError):
    pass


class SourceError(HarnessError):
    pass


class StoreError(HarnessError):
    pass


class PluginError(HarnessError):
    pass


class WorkerError(HarnessError):
    pass


class RegressionError(HarnessError):
    exit_code = 3
