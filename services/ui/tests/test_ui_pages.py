"""Pages run without a browser: who has no session sees the way in, and nothing else."""

from importlib.resources import files

import pytest
from streamlit.testing.v1 import AppTest


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(files("ui").joinpath("script.py")), default_timeout=30).run()


def test_a_stranger_sees_one_form_and_one_primary_button(page: AppTest) -> None:
    assert not page.exception
    assert [field.label for field in page.text_input] == ["Email", "Password"]
    assert page.title == []
    assert [heading.value for heading in page.markdown if heading.value.startswith("# ")] == ["# Welcome back"]


def test_signing_up_asks_for_a_name_too(page: AppTest) -> None:
    page.button(key="other-way").click().run()
    assert [field.label for field in page.text_input] == ["Name", "Email", "Password"]
    page.button(key="other-way").click().run()
    assert [field.label for field in page.text_input] == ["Email", "Password"]


def test_an_empty_form_says_what_is_missing(page: AppTest) -> None:
    _submit(page)
    assert [error.value for error in page.error] == ["Enter both your email and your password."]


def test_a_gateway_that_is_away_is_said_plainly(page: AppTest) -> None:
    """Nothing listens at the default address of a machine that runs only tests, or it refuses this account."""
    page.text_input(key="sign-in-email").input("nobody@example.com")
    page.text_input(key="sign-in-password").input("no such account here")
    _submit(page)
    assert len(page.error) == 1
    assert "Error" not in page.error[0].value
    assert not page.exception


def _submit(page: AppTest) -> None:
    button = next(button for button in page.button if button.label == "Sign in")
    button.click().run()
