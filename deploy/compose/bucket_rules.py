"""Tells the bucket which pages may up- and download, and to forget halves of uploads and what arrived and was never taken in.

It runs in the api's image, which holds the client. Saying it again changes nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

HALF_UPLOADS_DAYS = 2
# An address is good for an hour, and an upload may be completed for six.
NEVER_TAKEN_DAYS = 1


def say_rules(env: Mapping[str, str]) -> None:
    """All rules, or an exception of the client."""
    import boto3
    from botocore.config import Config
    from shared.settings import HttpSettings, StorageSettings
    from shared.storage.keys import INCOMING

    settings, pages = StorageSettings.from_env(env), HttpSettings.from_env(env).cors_origins
    client = boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        region_name="auto",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=20),
    )
    client.put_bucket_cors(Bucket=settings.bucket, CORSConfiguration={"CORSRules": [cors_rule(pages)]})
    client.put_bucket_lifecycle_configuration(
        Bucket=settings.bucket,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "half-uploads",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": HALF_UPLOADS_DAYS},
                },
                {
                    "ID": "never-taken",
                    "Status": "Enabled",
                    "Filter": {"Prefix": INCOMING},
                    "Expiration": {"Days": NEVER_TAKEN_DAYS},
                },
            ]
        },
    )


def cors_rule(pages: tuple[str, ...]) -> Any:
    """Only the web app's own pages: an address that was signed for somebody is of no use to another page's script."""
    return {
        "AllowedOrigins": list(pages),
        "AllowedMethods": ["GET", "HEAD", "PUT"],
        "AllowedHeaders": ["content-type", "x-amz-checksum-sha256"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }


def main() -> int:
    """The process's exit code."""
    from botocore.exceptions import BotoCoreError, ClientError
    from shared.secret_values import resolved

    try:
        say_rules(resolved(os.environ))
    except (BotoCoreError, ClientError) as reason:
        sys.stderr.write(f"bucket rules: {reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
