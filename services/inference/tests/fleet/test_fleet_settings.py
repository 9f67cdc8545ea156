"""What the fleet is told, and what it refuses to be told."""

from __future__ import annotations

import pytest
from inference.fleet.settings import FleetSettings
from shared.settings import SettingMissing

COMPLETE = {
    "MARU_FLEET": "on",
    "VAST_API_KEY": "secret-key",
    "MARU_INFERENCE_PUBLIC_URL": "https://inference.maru.example/",
    "MARU_FLEET_IMAGE": "ghcr.io/maru/worker:1",
    "MARU_FLEET_MAX_PRICE": "0.80",
    "MARU_FLEET_DAILY_BUDGET": "5",
    "MARU_FLEET_MONTHLY_BUDGET": "50",
}


def read(**changes: str) -> FleetSettings:
    settings = FleetSettings.from_env(COMPLETE | changes)
    assert settings is not None
    return settings


def test_off_is_the_default_and_needs_nothing() -> None:
    assert FleetSettings.from_env({}) is None
    assert FleetSettings.from_env({"MARU_FLEET": "off", "VAST_API_KEY": "somebody's"}) is None


def test_off_with_a_key_and_an_address_still_knows_its_hosts() -> None:
    settings = FleetSettings.from_env(
        {"VAST_API_KEY": "k", "MARU_INFERENCE_PUBLIC_URL": "https://inference.maru.example"}
    )
    assert settings is not None
    assert settings.mode == "off"
    assert settings.label_prefix == read().label_prefix
    assert settings.limits.max_hosts == 0


def test_a_complete_fleet() -> None:
    settings = read()
    assert settings.api_url == "https://console.vast.ai"
    assert settings.public_url == "https://inference.maru.example"
    assert (settings.limits.max_hosts, settings.limits.max_price_micros) == (1, 800_000)
    assert settings.runners == ("image", "diffusers", "command")
    assert read(MARU_FLEET_RUNNERS="diffusers, train").runners == ("diffusers", "train")


def test_the_key_shows_nowhere() -> None:
    assert "secret-key" not in repr(read())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MARU_FLEET", "yes", "use off, dry-run or on"),
        ("VAST_API_KEY", "", "VAST_API_KEY is not set"),
        ("VAST_API_KEY", "sm://vast-key", "names a secret"),
        ("MARU_FLEET_IMAGE", "", "MARU_FLEET_IMAGE is not set"),
        ("MARU_INFERENCE_PUBLIC_URL", "", "rented hosts call the dispatcher there"),
        ("MARU_INFERENCE_PUBLIC_URL", "http://inference.maru.example", "use https"),
        ("MARU_INFERENCE_PUBLIC_URL", "https://user@host", "use https"),
        ("VAST_API_URL", "http://console.vast.ai", "use https"),
        ("VAST_API_URL", "console.vast.ai", "use https"),
        ("MARU_FLEET_MAX_PRICE", "", "no money is spent without a limit"),
        ("MARU_FLEET_MAX_PRICE", "cheap", "above 0, such as 2.50"),
        ("MARU_FLEET_DAILY_BUDGET", "-1", "above 0, such as 2.50"),
        ("MARU_FLEET_DAILY_BUDGET", "nan", "above 0, such as 2.50"),
        ("MARU_FLEET_MONTHLY_BUDGET", "inf", "above 0, such as 2.50"),
        ("MARU_FLEET_MAX_HOSTS", "none", "use a number above 0"),
        ("MARU_FLEET_IDLE_SECONDS", "0", "use a number above 0"),
        ("MARU_FLEET_DISK_GIB", "4", "use 8 or more"),
        ("MARU_FLEET_INSTALLATION", "My House", "small letters and digits"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_change(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingMissing, match=said) as refused:
        read(**{name: value})
    assert name in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8002", "http://localhost:8002", "http://[::1]:8002"])
def test_on_this_machine_an_address_may_be_plain(url: str) -> None:
    assert read(MARU_INFERENCE_PUBLIC_URL=url).public_url == url


def test_installations_at_different_addresses_do_not_take_each_others_hosts() -> None:
    assert read().label_prefix != read(MARU_INFERENCE_PUBLIC_URL="https://staging.maru.example").label_prefix
    assert read(MARU_FLEET_INSTALLATION="home").label_prefix == "maru-home-"


def test_planning_reads_a_fleet_that_is_off_as_a_dry_run() -> None:
    settings = FleetSettings.from_env(COMPLETE | {"MARU_FLEET": "off"}, planning=True)
    assert settings is not None
    assert settings.mode == "dry-run"
    with pytest.raises(SettingMissing, match="VAST_API_KEY"):
        FleetSettings.from_env({}, planning=True)
