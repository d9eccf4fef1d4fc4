"""The nouns every room shares: frozen values and role protocols, no I/O.

Import from the module that defines a noun (``aac_tasks.contracts.image``): nothing is re-exported
here, because a no-op run must not pay for classes that it never uses.
"""
