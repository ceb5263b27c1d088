"""Make a bucket that can hold evidence, and say who may do what in it; or only print its policy.

    python deploy/s3/bucket.py evidence-north --endpoint-url https://store.example \
        --station station --verifier verifier --custodian custodian

Credentials of the bucket's owner-to-be are looked for where the AWS tools look. Users are named as the store
names them: on Ceph by their id, on AWS by their ARN. A bucket that is there already is not made, but gets the
default retention and the policy anew; one that cannot lock is refused. Exit code 1 if the store refuses.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HERE = Path(__file__).resolve().parent
ROLES = ("station", "verifier", "custodian")
RULES = "bucket"
"""The rules for everybody, the owner among them."""


def main() -> int:
    """Make the bucket, or print its policy. Returns the exit code."""
    options = _options()
    text = json.dumps(policy(options.bucket, {role: getattr(options, role) for role in ROLES}), indent=2)
    if options.print:
        print(text)
        return 0
    config = Config(
        s3={"addressing_style": "path" if options.endpoint_url else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    region = options.region or ("us-east-1" if options.endpoint_url else None)
    client = boto3.client("s3", endpoint_url=options.endpoint_url, region_name=region, config=config)
    try:
        make(client, options.bucket, days=options.days, policy=text)
    except (BotoCoreError, ClientError) as error:
        print(f"The store does not do it: {error}", file=sys.stderr)
        return 1
    print(f"Bucket {options.bucket}: object lock, compliance for {options.days} days by default, policy set.")
    return 0


def policy(bucket: str, users: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Return the policy of a bucket: the rules for everybody, and those of each role that somebody has."""
    statements = _statements(RULES, bucket, [])
    for role, names in users.items():
        if names:
            statements += _statements(role, bucket, [principal(name) for name in names])
    return {"Version": "2012-10-17", "Statement": statements}


def principal(name: str) -> str:
    """Return how a policy names a user: an ARN as it is; else a Ceph's ``TENANT$USER`` or ``USER``."""
    if name.startswith("arn:"):
        return name
    tenant, _, user = name.rpartition("$")
    return f"arn:aws:iam::{tenant}:user/{user}"


def make(client: "S3Client", bucket: str, *, days: int, policy: str) -> None:
    """Make a bucket with object lock, a default retention in compliance mode and a policy.

    Raises botocore's errors, also for a bucket that is there and cannot lock.
    """
    arguments: dict[str, Any] = {"Bucket": bucket, "ObjectLockEnabledForBucket": True}
    region = client.meta.region_name
    if region != "us-east-1":
        arguments["CreateBucketConfiguration"] = {"LocationConstraint": region}
    try:
        client.create_bucket(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise
    client.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": days}},
        },
    )
    client.put_bucket_policy(Bucket=bucket, Policy=policy)


def _statements(role: str, bucket: str, principals: list[str]) -> list[dict[str, Any]]:
    text = (HERE / f"{role}.json").read_text("utf-8").replace("BUCKET", bucket)
    text = text.replace('["PRINCIPAL"]', json.dumps(principals))
    found: list[dict[str, Any]] = json.loads(text)["Statement"]
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bucket.py", description="Make a bucket that can hold evidence.")
    parser.add_argument("bucket", help="its name, 3 to 63 lower-case letters, digits and hyphens")
    parser.add_argument("--endpoint-url", metavar="URL", help="the store; without it AWS")
    parser.add_argument("--region", help="of the bucket, on AWS")
    for role, what in zip(ROLES, ("stores, reads, locks", "reads", "reads, holds, extends"), strict=True):
        told = f"a user who {what}; may be given again"
        parser.add_argument(f"--{role}", metavar="USER", action="append", default=[], help=told)
    parser.add_argument("--days", type=int, default=7, help="default retention in days (default: 7)")
    parser.add_argument("--print", action="store_true", help="only print the policy")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
