"""The configuration of the `s3` handler: strings, and what is wrong with them. Needs no server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event import EventError, EventManager
from e3_event.handler.s3 import S3Handler


def test_the_attributes_are_the_documented_ones() -> None:
    handler = S3Handler("s3://bucket/ev", "s3://bucket/logs")
    assert (handler.event_s3_url, handler.log_s3_url) == ("s3://bucket/ev", "s3://bucket/logs")
    assert (handler.sse, handler.aws_profile, handler.endpoint_url) == ("AES256", None, None)


@pytest.mark.parametrize(
    ("config", "arguments"),
    [
        # as e3-core writes them
        ("s3://buc/ev,s3://buc/logs,AES256,", ("s3://buc/ev", "s3://buc/logs", "AES256", None, None)),
        ("s3://buc/ev/,s3://buc/l/,aws:kms,prof", ("s3://buc/ev/", "s3://buc/l/", "aws:kms", "prof", None)),
        ("s3://buc/ev,s3://buc/logs,None,", ("s3://buc/ev", "s3://buc/logs", None, None, None)),
        # ours
        ("s3://buc,s3://buc", ("s3://buc", "s3://buc", "AES256", None, None)),
        ("s3://buc,s3://buc,", ("s3://buc", "s3://buc", None, None, None)),
        ("s3://buc,s3://buc,none,,http://[::1]:9", ("s3://buc", "s3://buc", None, None, "http://[::1]:9")),
        ("s3://buc/a%2Cb%7C,s3://buc/%41", ("s3://buc/a,b|", "s3://buc/%41", "AES256", None, None)),
    ],
)
def test_a_configuration_string_is_understood(config: str, arguments: tuple[str | None, ...]) -> None:
    handler = S3Handler(**S3Handler.decode_config(config))
    attributes = (handler.event_s3_url, handler.log_s3_url, handler.sse, handler.aws_profile)
    assert (*attributes, handler.endpoint_url) == arguments


def test_without_an_endpoint_the_string_has_the_four_documented_fields() -> None:
    assert S3Handler("s3://buc/e", "s3://buc/l").encode_config() == "s3://buc/e,s3://buc/l,AES256,"


_key = st.text(st.characters(min_codepoint=33, max_codepoint=0xD7FF, exclude_characters="\x7f"), max_size=60)
_url = st.builds("s3://{}/{}".format, st.from_regex(r"\A[a-z0-9][a-z0-9.-]{1,40}[a-z0-9]\Z"), _key).filter(
    lambda url: not {".", ".."} & set(url.split("/"))
)
_sse = st.sampled_from(["AES256", "aws:kms", "aws:kms:alias/a,b".replace(",", "-"), "aws:kms:dsse", None])
_profile = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_endpoint = st.none() | st.sampled_from(["http://127.0.0.1:9000", "https://s3.example.net/a,b|c%2Cd"])


@given(_url, _url, _sse, _profile, _endpoint)
def test_a_configuration_survives_the_string(
    event_url: str, log_url: str, sse: str | None, profile: str | None, endpoint: str | None
) -> None:
    handler = S3Handler(event_url, log_url, sse, profile, endpoint_url=endpoint)
    text = handler.encode_config()
    assert "|" not in text
    again = S3Handler(**S3Handler.decode_config(text))
    for name in ("event_s3_url", "log_s3_url", "sse", "aws_profile", "endpoint_url"):
        assert getattr(again, name) == getattr(handler, name)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ("", "event_url,log_url,sse,profile,endpoint"),
        ("s3://bucket", "event_url,log_url,sse,profile,endpoint"),
        ("s3://bucket,s3://bucket,AES256,,,", "event_url,log_url,sse,profile,endpoint"),
        ("bucket/events,s3://bucket", r"event_url: s3://bucket/prefix|event_url: .*, not 'bucket/events'"),
        ("s3://bucket,https://bucket.s3.amazonaws.com/x", "log_url"),
        ("s3://,s3://bucket", "event_url"),
        ("s3:///events,s3://bucket", "event_url"),
        ("s3://ab,s3://bucket", "event_url: .* 3 characters or more, not 's3://ab'"),
        ("s3://bucket/../other,s3://bucket", "event_url"),
        ("s3://bucket/a b\r\n,s3://bucket", "event_url"),
        (f"s3://bucket/{'x' * 601},s3://bucket", "event_url: the prefix has more than 600 bytes"),
        ("s3://bucket,s3://bucket,AES128", "sse: .* not 'AES128'"),
        ("s3://bucket,s3://bucket,aws:kms:a key", "sse"),
        ("s3://bucket,s3://bucket,,,localhost:9000", "endpoint: .* not 'localhost:9000'"),
        ("s3://bucket,s3://bucket,,,http://x\r\nHost: y", "endpoint"),
    ],
)
def test_a_wrong_field_is_named_with_what_would_be_right(
    config: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"s3={config}")
    manager = EventManager()
    with pytest.raises(EventError, match=rf"entry 1 \(s3\): .*({field})"):
        manager.load_handlers_from_env()
    assert manager.handlers == {}


@pytest.mark.parametrize(
    "config",
    [
        "s3://AKIDEXAMPLE:hunter2/x@bucket,s3://bucket",
        "s3://bucket,s3://hunter2@bucket",
        "s3://bucket,s3://bucket,,,https://user:hunter2@s3.example.net",
        "s3://bucket,s3://bucket,,,https://hunter2@s3.example.net",
    ],
)
def test_a_secret_in_a_url_is_refused_and_not_repeated(config: str) -> None:
    with pytest.raises(EventError) as caught:
        S3Handler(**S3Handler.decode_config(config))
    assert "hunter2" not in str(caught.value)
