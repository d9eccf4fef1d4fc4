"""Secrets are taken out of text; what we say of a field is not a secret."""

from __future__ import annotations

import pytest

from aac_tasks.steps.redaction import redact_keys


@pytest.mark.parametrize(
    "message",
    [
        "agent.yaml:10:44 spec.environment[0].secret: unknown key 'secret'; did you mean 'secretKey'?",
        "agent.yaml:7:3 spec.model.config.api_key: expected the name of a variable",
        "spec.password: unknown",
    ],
)
def test_a_field_that_is_named_like_a_secret_can_be_spoken_of(message: str) -> None:
    assert redact_keys(message) == message


@pytest.mark.parametrize(
    "leak",
    [
        "password: hunter22",
        "config[0].password=hunter22",
        "spec.config.api_key='hunter22'",
        'api_key: "hunter22"',
        "myspec.secret: hunter22",
    ],
)
def test_an_assignment_is_masked(leak: str) -> None:
    assert "hunter22" not in redact_keys(leak)
