"""The register as it began."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Tables whose rows say what happened: they are added to and never changed.
APPEND_ONLY = {
    "alert_acknowledgement": "id = NEW.id OR alert_id = NEW.alert_id",
    "custody_event": (
        "sequence = NEW.sequence OR (subject = NEW.subject AND kind = NEW.kind AND attempt = NEW.attempt)"
    ),
    "integrity_result": "id = NEW.id",
    "ledger_checkpoint": "size = NEW.size",
    "ledger_cosignature": "size = NEW.size AND witness = NEW.witness",
    "ledger_node": "level = NEW.level AND position = NEW.position",
    "seal": "manifest_sha256 = NEW.manifest_sha256",
    "tag": "id = NEW.id OR (clip_id = NEW.clip_id AND category = NEW.category)",
}

# Tables whose rows may change their state, but never go: what was seen stays seen.
NEVER_DELETED = {
    "alert": "id = NEW.id",
    "assignment": "id = NEW.id",
    "case_window": (
        "id = NEW.id OR (case_id = NEW.case_id AND officer_id = NEW.officer_id "
        "AND starts_at = NEW.starts_at AND ends_at = NEW.ends_at)"
    ),
    "clip": "id = NEW.id",
    "docking": "id = NEW.id",
    "enforcement_case": "id = NEW.id OR number = NEW.number",
    "hold": (
        "id = NEW.id OR (clip_id = NEW.clip_id AND ended_at IS NULL AND NEW.ended_at IS NULL "
        "AND coalesce(case_id, '') = coalesce(NEW.case_id, ''))"
    ),
    "integrity_run": "id = NEW.id",
    "link": "id = NEW.id OR (clip_id = NEW.clip_id AND ended_at IS NULL AND NEW.ended_at IS NULL)",
    "object": "sha256 = NEW.sha256",
    "officer": "id = NEW.id",
    "recorder": "id = NEW.id OR identity = NEW.identity",
    "seal_timestamp": "manifest_sha256 = NEW.manifest_sha256",
    "sighting": "id = NEW.id OR (docking_id = NEW.docking_id AND position = NEW.position)",
    "signing_key": "id = NEW.id",
    "station": "id = NEW.id",
    "stored_version": "id = NEW.id OR (vault = NEW.vault AND key = NEW.key AND version = NEW.version)",
}


# One hold that stands for each clip and case, and one for no case.
HOLDS = (
    ("uq_hold_current", ["clip_id"], "ended_at IS NULL AND case_id IS NULL"),
    ("uq_hold_current_case", ["clip_id", "case_id"], "ended_at IS NULL AND case_id IS NOT NULL"),
)


def _append_only(table: str, same_row: str) -> None:
    """Refuse UPDATE, DELETE and INSERT OR REPLACE (which deletes without firing a delete trigger)."""
    rule = f"{table} is append-only"
    if _postgresql():
        _refuse_on_postgresql(f"{table}_no_change", f"UPDATE OR DELETE OR TRUNCATE ON {table}", rule)
        return
    _refuse(f"{table}_no_update", f"UPDATE ON {table}", rule)
    _refuse(f"{table}_no_delete", f"DELETE ON {table}", rule)
    _refuse_replacing_insert(table, same_row, rule)


def _never_deleted(table: str, same_row: str) -> None:
    """Refuse DELETE, and INSERT and UPDATE OR REPLACE, which delete the row that is in the way."""
    rule = f"{table} rows are never deleted"
    if _postgresql():
        _refuse_on_postgresql(f"{table}_no_delete", f"DELETE OR TRUNCATE ON {table}", rule)
        return
    _refuse(f"{table}_no_delete", f"DELETE ON {table}", rule)
    _refuse_replacing_insert(table, same_row, rule)
    other = f"SELECT 1 FROM {table} WHERE (rowid = NEW.rowid OR {same_row}) AND rowid <> OLD.rowid"
    _refuse(f"{table}_no_replacing_update", f"UPDATE ON {table} WHEN EXISTS ({other})", rule)


def _refuse_replacing_insert(table: str, same_row: str, rule: str) -> None:
    # The hidden row number is a unique key too.
    same = f"SELECT 1 FROM {table} WHERE rowid = NEW.rowid OR {same_row}"
    _refuse(f"{table}_no_replace", f"INSERT ON {table} WHEN EXISTS ({same})", rule)


def _refuse(name: str, what: str, rule: str) -> None:
    op.execute(f"CREATE TRIGGER {name} BEFORE {what} BEGIN SELECT RAISE(ABORT, '{rule}'); END")


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _refuse_on_postgresql(name: str, what: str, rule: str) -> None:
    # For each statement, not each row: TRUNCATE knows no rows, and INSERT ... ON CONFLICT DO UPDATE fires the
    # trigger even when nothing is in the way. ALWAYS: in a session that applies a replica's changes, too.
    table = what.rpartition(" ")[2]
    op.execute(f"CREATE TRIGGER {name} BEFORE {what} EXECUTE FUNCTION refuse('{rule}')")
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


_REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def upgrade() -> None:
    op.create_table(
        "enforcement_case",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.String(length=128), nullable=False),
        sa.Column("number_as_written", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enforcement_case")),
        sa.UniqueConstraint("number", name=op.f("uq_enforcement_case_number")),
    )
    op.create_table(
        "integrity_run",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integrity_run")),
    )
    op.create_table(
        "object",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("other_digests", sa.JSON(), nullable=False),
        sa.Column("chunk_size", sa.Integer(), nullable=False),
        sa.Column("chunk_root", sa.String(), nullable=False),
        sa.Column("chunk_leaves", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "length(chunk_root) = 64 AND ltrim(chunk_root, '0123456789abcdef') = ''",
            name=op.f("ck_object_chunk_root_hex"),
        ),
        sa.CheckConstraint(
            "length(sha256) = 64 AND ltrim(sha256, '0123456789abcdef') = ''",
            name=op.f("ck_object_sha256_hex"),
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_object")),
    )
    op.create_table(
        "officer",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_officer")),
    )
    op.create_table(
        "recorder",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("serial", sa.String(), nullable=True),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("claimed", sa.Boolean(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recorder")),
        sa.UniqueConstraint("identity", name=op.f("uq_recorder_identity")),
    )
    op.create_table(
        "station",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station")),
    )
    op.create_table(
        "signing_key",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("station_id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "length(id) = 64 AND ltrim(id, '0123456789abcdef') = ''", name=op.f("ck_signing_key_id_hex")
        ),
        sa.ForeignKeyConstraint(["station_id"], ["station.id"], name=op.f("fk_signing_key_station_id_station")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_key")),
    )
    op.create_table(
        "stored_version",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("vault", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("lock_mode", sa.String(length=12), nullable=False),
        sa.Column("lock_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("confirmation", sa.String(length=10), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('original', 'manifest', 'seal', 'timestamped-seal', 'inventory', 'close', 'docking-seal', 'derived', 'events', 'ledger')",
            name=op.f("ck_stored_version_kind_known"),
        ),
        sa.CheckConstraint(
            "length(sha256) = 64 AND ltrim(sha256, '0123456789abcdef') = ''",
            name=op.f("ck_stored_version_sha256_hex"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_version")),
        sa.UniqueConstraint("vault", "key", "version", name=op.f("uq_stored_version_vault")),
    )
    with op.batch_alter_table("stored_version", schema=None) as batch_op:
        batch_op.create_index("ix_stored_version_due", ["vault", "lock_until", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_stored_version_sha256"), ["sha256"], unique=False)
        batch_op.create_index(batch_op.f("ix_stored_version_checked_at"), ["checked_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_stored_version_verified_at"), ["verified_at"], unique=False)

    op.create_table(
        "assignment",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("recorder_id", sa.String(length=26), nullable=False),
        sa.Column("officer_id", sa.String(length=64), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("fk_assignment_officer_id_officer")
        ),
        sa.ForeignKeyConstraint(
            ["recorder_id"], ["recorder.id"], name=op.f("fk_assignment_recorder_id_recorder")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
    )
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assignment_recorder_id"), ["recorder_id"], unique=False)

    op.create_table(
        "case_window",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("case_id", sa.String(length=26), nullable=False),
        sa.Column("officer_id", sa.String(length=64), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["enforcement_case.id"], name=op.f("fk_case_window_case_id_enforcement_case")
        ),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("fk_case_window_officer_id_officer")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_window")),
        sa.UniqueConstraint(
            "case_id", "officer_id", "starts_at", "ends_at", name=op.f("uq_case_window_case_id")
        ),
    )
    with op.batch_alter_table("case_window", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_case_window_officer_id"), ["officer_id"], unique=False)

    op.create_table(
        "docking",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("station_id", sa.String(length=64), nullable=False),
        sa.Column("recorder_id", sa.String(length=26), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("volume", sa.JSON(), nullable=False),
        sa.Column("operator", sa.JSON(), nullable=False),
        sa.Column("claimed_officer", sa.String(length=64), nullable=True),
        sa.Column("clock", sa.JSON(), nullable=False),
        sa.Column("clock_plausible", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("inventory", sa.LargeBinary(), nullable=False),
        sa.Column("inventory_digest", sa.String(), nullable=False),
        sa.Column("inventory_seal", sa.LargeBinary(), nullable=False),
        sa.Column("close", sa.LargeBinary(), nullable=True),
        sa.Column("close_digest", sa.String(), nullable=True),
        sa.Column("close_seal", sa.LargeBinary(), nullable=True),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "length(close_digest) = 64 AND ltrim(close_digest, '0123456789abcdef') = ''",
            name=op.f("ck_docking_close_digest_hex"),
        ),
        sa.CheckConstraint(
            "length(inventory_digest) = 64 AND ltrim(inventory_digest, '0123456789abcdef') = ''",
            name=op.f("ck_docking_inventory_digest_hex"),
        ),
        sa.ForeignKeyConstraint(
            ["claimed_officer"], ["officer.id"], name=op.f("fk_docking_claimed_officer_officer")
        ),
        sa.ForeignKeyConstraint(
            ["recorder_id"], ["recorder.id"], name=op.f("fk_docking_recorder_id_recorder")
        ),
        sa.ForeignKeyConstraint(["station_id"], ["station.id"], name=op.f("fk_docking_station_id_station")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_docking")),
    )
    with op.batch_alter_table("docking", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_docking_recorder_id"), ["recorder_id"], unique=False)

    op.create_table(
        "clip",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("recorder_id", sa.String(length=26), nullable=False),
        sa.Column("docking_id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("path_bytes", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("resume_state", sa.String(length=20), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("read_back", sa.String(length=8), nullable=True),
        sa.Column("condition", sa.String(length=16), nullable=True),
        sa.Column("probe", sa.JSON(), nullable=True),
        sa.Column("officer_id", sa.String(length=64), nullable=True),
        sa.Column("officer_source", sa.String(length=16), nullable=True),
        sa.Column("recorded_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("time_source", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("important", sa.Boolean(), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=True),
        sa.Column("retain_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("permanent", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "length(manifest_sha256) = 64 AND ltrim(manifest_sha256, '0123456789abcdef') = ''",
            name=op.f("ck_clip_manifest_sha256_hex"),
        ),
        sa.CheckConstraint(
            "state IN ('found', 'offloaded', 'sealed', 'stored', 'confirmed', 'released', 'missing_at_unplug', 'quarantined', 'waiting')",
            name=op.f("ck_clip_state_known"),
        ),
        sa.ForeignKeyConstraint(["docking_id"], ["docking.id"], name=op.f("fk_clip_docking_id_docking")),
        sa.ForeignKeyConstraint(["officer_id"], ["officer.id"], name=op.f("fk_clip_officer_id_officer")),
        sa.ForeignKeyConstraint(["recorder_id"], ["recorder.id"], name=op.f("fk_clip_recorder_id_recorder")),
        sa.ForeignKeyConstraint(["sha256"], ["object.sha256"], name=op.f("fk_clip_sha256_object")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clip")),
    )
    with op.batch_alter_table("clip", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_clip_docking_id"), ["docking_id"], unique=False)
        batch_op.create_index("ix_clip_officer_start", ["officer_id", "recorded_start"], unique=False)
        batch_op.create_index("ix_clip_recorder_path", ["recorder_id", "path_bytes"], unique=False)
        batch_op.create_index(batch_op.f("ix_clip_sha256"), ["sha256"], unique=False)
        batch_op.create_index("ix_clip_state_created", ["state", "created_at"], unique=False)

    op.create_table(
        "progress",
        sa.Column("docking_id", sa.String(length=26), nullable=False),
        sa.Column("bytes_total", sa.BigInteger(), nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["docking_id"], ["docking.id"], name=op.f("fk_progress_docking_id_docking")),
        sa.PrimaryKeyConstraint("docking_id", name=op.f("pk_progress")),
    )
    op.create_table(
        "alert",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("clip_id", sa.String(length=26), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_alert_clip_id_clip")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alert_clip_id"), ["clip_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_alert_kind"), ["kind"], unique=False)

    op.create_table(
        "alert_acknowledgement",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("alert_id", sa.String(length=26), nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.id"], name=op.f("fk_alert_acknowledgement_alert_id_alert")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_acknowledgement")),
        sa.UniqueConstraint("alert_id", name=op.f("uq_alert_acknowledgement_alert_id")),
    )
    op.create_table(
        "custody_event",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.String(length=64), nullable=False),
        sa.Column("clip_id", sa.String(length=26), nullable=True),
        sa.Column("docking_id", sa.String(length=26), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_custody_event_clip_id_clip")),
        sa.ForeignKeyConstraint(
            ["docking_id"], ["docking.id"], name=op.f("fk_custody_event_docking_id_docking")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_custody_event")),
        sa.UniqueConstraint("subject", "kind", "attempt", name=op.f("uq_custody_event_subject")),
    )
    with op.batch_alter_table("custody_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_custody_event_clip_id"), ["clip_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_custody_event_docking_id"), ["docking_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_custody_event_kind"), ["kind"], unique=False)

    op.create_table(
        "derivative",
        sa.Column("clip_id", sa.String(length=26), nullable=False),
        sa.Column("poster_sha256", sa.String(length=64), nullable=True),
        sa.Column("black_share", sa.Double(), nullable=True),
        sa.Column("frozen_share", sa.Double(), nullable=True),
        sa.Column("sampled_frames", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "length(poster_sha256) = 64 AND ltrim(poster_sha256, '0123456789abcdef') = ''",
            name=op.f("ck_derivative_poster_sha256_hex"),
        ),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_derivative_clip_id_clip")),
        sa.PrimaryKeyConstraint("clip_id", name=op.f("pk_derivative")),
    )
    op.create_table(
        "ledger_node",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_ledger_node")),
    )
    op.create_table(
        "ledger_checkpoint",
        sa.Column(
            "size",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_ledger_checkpoint")),
    )
    op.create_table(
        "ledger_cosignature",
        sa.Column(
            "size",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("witness", sa.String(length=256), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["size"], ["ledger_checkpoint.size"], name=op.f("fk_ledger_cosignature_size_ledger_checkpoint")
        ),
        sa.PrimaryKeyConstraint("size", "witness", name=op.f("pk_ledger_cosignature")),
    )
    op.create_table(
        "ledger_standing",
        sa.Column("holder", sa.String(length=256), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("published", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_ledger_standing")),
    )
    op.create_table(
        "hold",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("clip_id", sa.String(length=26), nullable=False),
        sa.Column("case_id", sa.String(length=26), nullable=True),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["enforcement_case.id"], name=op.f("fk_hold_case_id_enforcement_case")
        ),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_hold_clip_id_clip")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hold_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_hold_clip_id"), ["clip_id"], unique=False)
        for name, columns, where in HOLDS:
            batch_op.create_index(
                name, columns, unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
            )

    op.create_table(
        "integrity_result",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("run_id", sa.String(length=26), nullable=False),
        sa.Column("clip_id", sa.String(length=26), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("bytes_read", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_integrity_result_clip_id_clip")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["integrity_run.id"], name=op.f("fk_integrity_result_run_id_integrity_run")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integrity_result")),
    )
    with op.batch_alter_table("integrity_result", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_integrity_result_clip_id"), ["clip_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_integrity_result_run_id"), ["run_id"], unique=False)

    op.create_table(
        "link",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("clip_id", sa.String(length=26), nullable=False),
        sa.Column("case_id", sa.String(length=26), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["enforcement_case.id"], name=op.f("fk_link_case_id_enforcement_case")
        ),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_link_clip_id_clip")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
    )
    with op.batch_alter_table("link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_link_case_id"), ["case_id"], unique=False)
        batch_op.create_index(
            "uq_link_current",
            ["clip_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "link_candidate",
        sa.Column("clip_id", sa.String(length=26), nullable=False),
        sa.Column("case_id", sa.String(length=26), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["enforcement_case.id"], name=op.f("fk_link_candidate_case_id_enforcement_case")
        ),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_link_candidate_clip_id_clip")),
        sa.PrimaryKeyConstraint("clip_id", "case_id", name=op.f("pk_link_candidate")),
    )
    op.create_table(
        "seal",
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("clip_id", sa.String(length=26), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("timestamp_wanted", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "length(key_id) = 64 AND ltrim(key_id, '0123456789abcdef') = ''", name=op.f("ck_seal_key_id_hex")
        ),
        sa.CheckConstraint(
            "length(manifest_sha256) = 64 AND ltrim(manifest_sha256, '0123456789abcdef') = ''",
            name=op.f("ck_seal_manifest_sha256_hex"),
        ),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_seal_clip_id_clip")),
        sa.ForeignKeyConstraint(["key_id"], ["signing_key.id"], name=op.f("fk_seal_key_id_signing_key")),
        sa.PrimaryKeyConstraint("manifest_sha256", name=op.f("pk_seal")),
    )
    with op.batch_alter_table("seal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_seal_clip_id"), ["clip_id"], unique=False)

    op.create_table(
        "sighting",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("docking_id", sa.String(length=26), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.String(length=26), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("problem", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('to-read', 'to-reread', 'read', 'not-read-again', 'reread-same', 'not-safe')",
            name=op.f("ck_sighting_outcome_known"),
        ),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_sighting_clip_id_clip")),
        sa.ForeignKeyConstraint(["docking_id"], ["docking.id"], name=op.f("fk_sighting_docking_id_docking")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sighting")),
        sa.UniqueConstraint("docking_id", "position", name=op.f("uq_sighting_docking_id")),
    )
    with op.batch_alter_table("sighting", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sighting_clip_id"), ["clip_id"], unique=False)

    op.create_table(
        "tag",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("clip_id", sa.String(length=26), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_tag_clip_id_clip")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        sa.UniqueConstraint("clip_id", "category", name=op.f("uq_tag_clip_id")),
    )
    with op.batch_alter_table("tag", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tag_category"), ["category"], unique=False)

    op.create_table(
        "seal_timestamp",
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("authority", sa.String(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stored", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_sha256"], ["seal.manifest_sha256"], name=op.f("fk_seal_timestamp_manifest_sha256_seal")
        ),
        sa.PrimaryKeyConstraint("manifest_sha256", name=op.f("pk_seal_timestamp")),
    )
    if _postgresql():
        op.execute(_REFUSE)
    for table, same_row in APPEND_ONLY.items():
        _append_only(table, same_row)
    for table, same_row in NEVER_DELETED.items():
        _never_deleted(table, same_row)


def downgrade() -> None:
    op.drop_table("seal_timestamp")
    with op.batch_alter_table("tag", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tag_category"))

    op.drop_table("tag")
    with op.batch_alter_table("sighting", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sighting_clip_id"))

    op.drop_table("sighting")
    with op.batch_alter_table("seal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_seal_clip_id"))

    op.drop_table("seal")
    op.drop_table("link_candidate")
    with op.batch_alter_table("link", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_link_current",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_link_case_id"))

    op.drop_table("link")
    with op.batch_alter_table("integrity_result", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_integrity_result_run_id"))
        batch_op.drop_index(batch_op.f("ix_integrity_result_clip_id"))

    op.drop_table("integrity_result")
    with op.batch_alter_table("hold", schema=None) as batch_op:
        for name, _, where in reversed(HOLDS):
            batch_op.drop_index(name, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
        batch_op.drop_index(batch_op.f("ix_hold_clip_id"))
        batch_op.drop_index(batch_op.f("ix_hold_case_id"))

    op.drop_table("hold")
    op.drop_table("derivative")
    with op.batch_alter_table("custody_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_custody_event_kind"))
        batch_op.drop_index(batch_op.f("ix_custody_event_docking_id"))
        batch_op.drop_index(batch_op.f("ix_custody_event_clip_id"))

    op.drop_table("ledger_standing")
    op.drop_table("ledger_cosignature")
    op.drop_table("ledger_checkpoint")
    op.drop_table("ledger_node")
    op.drop_table("custody_event")
    op.drop_table("alert_acknowledgement")
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_alert_kind"))
        batch_op.drop_index(batch_op.f("ix_alert_clip_id"))

    op.drop_table("alert")
    op.drop_table("progress")
    with op.batch_alter_table("clip", schema=None) as batch_op:
        batch_op.drop_index("ix_clip_state_created")
        batch_op.drop_index(batch_op.f("ix_clip_sha256"))
        batch_op.drop_index("ix_clip_recorder_path")
        batch_op.drop_index("ix_clip_officer_start")
        batch_op.drop_index(batch_op.f("ix_clip_docking_id"))

    op.drop_table("clip")
    with op.batch_alter_table("docking", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_docking_recorder_id"))

    op.drop_table("docking")
    with op.batch_alter_table("case_window", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_case_window_officer_id"))

    op.drop_table("case_window")
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assignment_recorder_id"))

    op.drop_table("assignment")
    with op.batch_alter_table("stored_version", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_stored_version_verified_at"))
        batch_op.drop_index(batch_op.f("ix_stored_version_checked_at"))
        batch_op.drop_index(batch_op.f("ix_stored_version_sha256"))
        batch_op.drop_index("ix_stored_version_due")

    op.drop_table("stored_version")
    op.drop_table("signing_key")
    op.drop_table("station")
    op.drop_table("recorder")
    op.drop_table("officer")
    op.drop_table("object")
    op.drop_table("integrity_run")
    op.drop_table("enforcement_case")
    if _postgresql():
        op.execute("DROP FUNCTION refuse()")
