"""The way in, run without a browser."""

import pytest
from streamlit.testing.v1 import AppTest


def _script() -> None:
    from ui.views import sign_in

    sign_in.render()


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_function(_script, default_timeout=30).run()


def _press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label == label).click().run()


def test_a_stranger_sees_one_form(page: AppTest) -> None:
    assert not page.exception
    assert [field.label for field in page.text_input] == ["Email", "Password"]
    assert [text.value for text in page.markdown if text.value.startswith("# ")] == ["# Welcome back"]


def test_signing_up_asks_for_a_name_too_and_one_can_go_back(page: AppTest) -> None:
    page.button(key="other-way").click().run()
    assert [field.label for field in page.text_input] == ["Name", "Email", "Password"]
    page.button(key="other-way").click().run()
    assert [field.label for field in page.text_input] == ["Email", "Password"]


def test_an_empty_form_says_what_is_missing(page: AppTest) -> None:
    _press(page, "Sign in")
    assert [error.value for error in page.error] == ["Enter both your email and your password."]
