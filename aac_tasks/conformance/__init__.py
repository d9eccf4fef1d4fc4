"""What any plugin must do, as pytest classes: subclass the one of your role, say what is under test, and run pytest.

::

    from aac_tasks.conformance.registry import RegistryConformance, RegistryUnderTest

    class TestMine(RegistryConformance):
        @pytest.fixture
        def subject(self, lent):
            return RegistryUnderTest(MyRegistry(), "mine:place:team/hello:1.0")

The built-ins run the same classes (tests/conformance).
"""
