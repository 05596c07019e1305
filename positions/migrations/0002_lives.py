"""Deals are append-only, whoever asks; a closed position stays closed."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION positions_deal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'deals are facts: % is refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER positions_deal_append_only BEFORE UPDATE OR DELETE ON positions_deal
    FOR EACH ROW EXECUTE FUNCTION positions_deal_is_append_only();
CREATE FUNCTION positions_position_ended_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'position % has ended as %, it cannot become %', OLD.ticket, OLD.status, NEW.status
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER positions_position_life BEFORE UPDATE ON positions_position
    FOR EACH ROW WHEN (OLD.status IN ('closed') AND NEW.status <> OLD.status)
    EXECUTE FUNCTION positions_position_ended_stays();
ALTER TABLE positions_position SET (fillfactor = 70);
"""

BACKWARD = """
ALTER TABLE positions_position RESET (fillfactor);
DROP TRIGGER positions_position_life ON positions_position;
DROP FUNCTION positions_position_ended_stays();
DROP TRIGGER positions_deal_append_only ON positions_deal;
DROP FUNCTION positions_deal_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("positions", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
