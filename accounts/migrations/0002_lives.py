"""The ledger is append-only, whoever asks; account rows leave room to change in place."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION accounts_ledgerentry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger entries are facts: % is refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER accounts_ledgerentry_append_only BEFORE UPDATE OR DELETE ON accounts_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION accounts_ledgerentry_is_append_only();
ALTER TABLE accounts_account SET (fillfactor = 70);
"""

BACKWARD = """
ALTER TABLE accounts_account RESET (fillfactor);
DROP TRIGGER accounts_ledgerentry_append_only ON accounts_ledgerentry;
DROP FUNCTION accounts_ledgerentry_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
