"""What has ended stays as it ended, whoever asks: orders and smart orders."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION orders_order_ended_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'order % has ended as %, it cannot become %', OLD.ticket, OLD.status, NEW.status
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER orders_order_life BEFORE UPDATE ON orders_order
    FOR EACH ROW WHEN (OLD.status IN ('completed', 'canceled', 'failed') AND NEW.status <> OLD.status)
    EXECUTE FUNCTION orders_order_ended_stays();
CREATE FUNCTION orders_smartorder_ended_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'smart order % has ended as %, it cannot become %', OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER orders_smartorder_life BEFORE UPDATE ON orders_smartorder
    FOR EACH ROW WHEN (OLD.state IN ('CLOSED', 'STOPPED', 'CANCELLED') AND NEW.state <> OLD.state)
    EXECUTE FUNCTION orders_smartorder_ended_stays();
ALTER TABLE orders_order SET (fillfactor = 80);
ALTER TABLE orders_smartorder SET (fillfactor = 70);
ALTER TABLE orders_smartlevel SET (fillfactor = 70);
"""

BACKWARD = """
ALTER TABLE orders_smartlevel RESET (fillfactor);
ALTER TABLE orders_smartorder RESET (fillfactor);
ALTER TABLE orders_order RESET (fillfactor);
DROP TRIGGER orders_smartorder_life ON orders_smartorder;
DROP FUNCTION orders_smartorder_ended_stays();
DROP TRIGGER orders_order_life ON orders_order;
DROP FUNCTION orders_order_ended_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
