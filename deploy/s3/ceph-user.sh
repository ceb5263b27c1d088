#!/usr/bin/env bash
# Make a user of a Ceph gateway and leave its credentials in a new file, as sealdock and the AWS tools read them:
#   ceph-user.sh USER FILE
# For whoever may call radosgw-admin. A station, verifier or custodian makes no buckets of its own; one who shall own
# the bucket (USER is "owner", or begins with "owner-") may make them.
set -euo pipefail
umask 077
[[ $# == 2 && $1 =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ ]] || { sed -n '2,5s/^# //p' "$0" >&2 && exit 2; }
user=$1 file=$2
[[ ! -e $file ]] || { echo "$file exists already" >&2 && exit 1; }

buckets=-1
[[ ! $user =~ ^owner(-|$) ]] || buckets=1000
# The gateway makes the keys: as arguments they could be read by everybody while the command runs.
radosgw-admin user create --uid="$user" --display-name="$user" --max-buckets="$buckets" | python3 -c '
import json, sys
key = json.load(sys.stdin)["keys"][0]
print("[default]", "aws_access_key_id = " + key["access_key"], "aws_secret_access_key = " + key["secret_key"], sep="\n")
' >"$file"
