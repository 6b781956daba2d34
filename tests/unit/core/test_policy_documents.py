"""What all policy documents have in common, whatever they are for."""

from __future__ import annotations

import pytest

from relook.core.custom_labels.policies import check
from relook.core.policy_documents import PolicyError, statements


@pytest.mark.parametrize("nothing", ["[]", "{}", "null", '""'])
def test_an_empty_statement_is_said_to_be_empty(nothing: str) -> None:
    for read in (statements, check):
        with pytest.raises(PolicyError, match="its Statement is empty; there must be one statement at least"):
            read(f'{{"Version": "2012-10-17", "Statement": {nothing}}}')


@pytest.mark.parametrize("document", ["[]", "{}", '"Statement"', '{"Version": "2012-10-17"}'])
def test_a_document_without_a_statement_is_told_what_it_must_be(document: str) -> None:
    with pytest.raises(PolicyError, match="it must be a JSON object with a Statement"):
        statements(document)
