#include "account/central_schema.hpp"

namespace turnpike::account {

namespace {

// Every change of a window or a lease happens under the lock of its rule's row, and functions that
// take several of those locks take them in one order: scope (org, team, user, key), budget, span.
// The replica's own row comes first. A statement is one transaction, so no lock outlives a round
// trip, whatever happens to the replica meanwhile.
constexpr std::string_view version_1 = R"sql(
CREATE TABLE turnpike.replicas (
  id text PRIMARY KEY,
  epoch bigint NOT NULL,              -- goes up when a process begins to speak for the replica
  journal text NOT NULL,              -- its local journal
  durable bigint NOT NULL,            -- last entry of that journal known to be on its disk
  published bigint NOT NULL,          -- last definition of that journal that is in `definitions`
  deadline timestamptz NOT NULL,      -- of its leases
  last_seen timestamptz NOT NULL);

CREATE TABLE turnpike.rules (
  id bigserial PRIMARY KEY,
  rank smallint NOT NULL,             -- 0 all, 1 org, 2 team, 3 user, 4 key: the order of locks
  budget text NOT NULL,
  span text NOT NULL,                 -- "month Europe/Berlin 0": kind, zone, seconds of a rolling window
  rolling_us bigint NOT NULL,
  limit_nano bigint NOT NULL,
  in_force boolean NOT NULL,
  short_at timestamptz NOT NULL DEFAULT '-infinity',  -- somebody lacked credits that others hold
  UNIQUE (budget, span));

CREATE TABLE turnpike.windows (
  id bigserial PRIMARY KEY,
  rule bigint NOT NULL REFERENCES turnpike.rules,
  start_us bigint NOT NULL,
  end_us bigint NOT NULL,             -- 2^63 - 1: never
  settled bigint NOT NULL DEFAULT 0,
  leased bigint NOT NULL DEFAULT 0,
  quarantine bigint NOT NULL DEFAULT 0,
  UNIQUE (rule, start_us, end_us));

CREATE TABLE turnpike.leases (
  id bigserial PRIMARY KEY,
  replica text NOT NULL REFERENCES turnpike.replicas,
  journal text NOT NULL,
  epoch bigint NOT NULL,
  window_id bigint NOT NULL REFERENCES turnpike.windows,
  amount bigint NOT NULL,
  used bigint NOT NULL,
  beyond bigint NOT NULL DEFAULT 0,   -- of the amount, what was used without a grant: exposure, overruns
  state text NOT NULL CHECK (state IN ('active', 'quarantine', 'estimated', 'closed')),
  since timestamptz NOT NULL,
  UNIQUE (replica, journal, window_id));
CREATE INDEX leases_out ON turnpike.leases (state, replica) WHERE state IN ('active', 'quarantine');
CREATE INDEX leases_of_window ON turnpike.leases (window_id);

CREATE TABLE turnpike.definitions (
  seq bigserial PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  replica text NOT NULL,
  kind smallint NOT NULL,
  subject text NOT NULL,
  detail text NOT NULL);
CREATE INDEX definitions_of ON turnpike.definitions (subject, kind, seq);

-- What the central ledger did on its own, or was told after the fact.
CREATE TABLE turnpike.events (
  id bigserial PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind text NOT NULL,                 -- joined, carried_over, exposure, overrun, quarantine, settle_estimated
  replica text NOT NULL,
  epoch bigint NOT NULL,
  window_id bigint,
  amount bigint NOT NULL DEFAULT 0);

-- Refuses an epoch that is not the replica's latest, and keeps its row locked until the transaction ends.
CREATE FUNCTION turnpike.check_epoch(p_replica text, p_epoch bigint) RETURNS turnpike.replicas LANGUAGE plpgsql AS $$
DECLARE
  me turnpike.replicas;
BEGIN
  SELECT * INTO me FROM turnpike.replicas WHERE id = p_replica FOR UPDATE;
  IF NOT FOUND OR me.epoch <> p_epoch THEN
    RAISE EXCEPTION 'epoch % of replica % is over', p_epoch, p_replica USING ERRCODE = 'TP001';
  END IF;
  RETURN me;
END $$;

CREATE FUNCTION turnpike.join_replica(p_replica text, p_journal text, p_durable bigint, OUT joined bigint, OUT published bigint)
LANGUAGE plpgsql AS $$
DECLARE
  me turnpike.replicas;
BEGIN
  INSERT INTO turnpike.replicas VALUES (p_replica, 0, p_journal, 0, 0, clock_timestamp(), clock_timestamp())
    ON CONFLICT (id) DO NOTHING;
  SELECT * INTO me FROM turnpike.replicas WHERE id = p_replica FOR UPDATE;
  IF me.journal = p_journal AND me.durable > p_durable THEN
    RAISE EXCEPTION 'the journal ends at entry %, but % were reported', p_durable, me.durable USING ERRCODE = 'TP002';
  END IF;
  joined := me.epoch + 1;
  published := CASE WHEN me.journal = p_journal THEN me.published ELSE 0 END;
  UPDATE turnpike.replicas x SET epoch = joined, journal = p_journal, durable = p_durable,
    published = join_replica.published, deadline = clock_timestamp(), last_seen = clock_timestamp() WHERE x.id = p_replica;
  INSERT INTO turnpike.events (kind, replica, epoch) VALUES ('joined', p_replica, joined);
END $$;

-- Renews all leases of a replica. `lapsed`: they had run out.
CREATE FUNCTION turnpike.beat(p_replica text, p_epoch bigint, p_durable bigint, p_published bigint, p_lease_ms bigint,
  OUT live bigint, OUT newest bigint, OUT lapsed boolean) LANGUAGE plpgsql AS $$
DECLARE
  me turnpike.replicas;
BEGIN
  me := turnpike.check_epoch(p_replica, p_epoch);
  lapsed := me.deadline < clock_timestamp();
  UPDATE turnpike.replicas SET durable = p_durable, published = greatest(published, p_published), last_seen = clock_timestamp(),
    deadline = clock_timestamp() + p_lease_ms * interval '1 millisecond' WHERE id = p_replica;
  SELECT count(*) INTO live FROM turnpike.replicas WHERE deadline > clock_timestamp();
  SELECT coalesce(max(seq), 0) INTO newest FROM turnpike.definitions;
END $$;

-- The windows whose charges count together with those of [p_start, p_end) of a rule. Calendar spans: those that
-- overlap it. Rolling: every bucket that still counts when this one begins, later ones included: they were granted
-- knowing less.
CREATE FUNCTION turnpike.counted(p_rule bigint, p_rolling bigint, p_start bigint, p_end bigint)
RETURNS SETOF turnpike.windows LANGUAGE sql STABLE AS $$
  SELECT * FROM turnpike.windows w WHERE w.rule = p_rule
    AND w.end_us::numeric + p_rolling > p_start AND (p_rolling > 0 OR w.start_us < p_end)
$$;

-- One window of one replica: books what it has settled, takes back what it no longer keeps, and grants a block.
CREATE FUNCTION turnpike.exchange_one(me turnpike.replicas, r turnpike.rules, p_start bigint, p_end bigint,
  p_settled bigint, p_used bigint, p_keep bigint, p_exposed bigint, p_want bigint, p_least bigint, p_last boolean,
  p_live bigint, p_block_max bigint,
  OUT lease bigint, OUT amount bigint, OUT granted bigint, OUT elsewhere bigint, OUT free bigint)
LANGUAGE plpgsql AS $$
DECLARE
  w turnpike.windows;
  l turnpike.leases;
  was_out bigint;
  told bigint;
  block bigint;
  mine numeric;
  more bigint;
  fresh boolean;
BEGIN
  SELECT * INTO w FROM turnpike.windows x WHERE x.rule = r.id AND x.start_us = p_start AND x.end_us = p_end;
  IF NOT FOUND THEN
    INSERT INTO turnpike.windows (rule, start_us, end_us) VALUES (r.id, p_start, p_end) RETURNING * INTO w;
  END IF;
  SELECT * INTO l FROM turnpike.leases x WHERE x.replica = me.id AND x.journal = me.journal AND x.window_id = w.id;
  fresh := NOT FOUND;
  IF fresh THEN
    INSERT INTO turnpike.leases (replica, journal, epoch, window_id, amount, used, state, since)
      VALUES (me.id, me.journal, me.epoch, w.id, 0, 0, 'active', clock_timestamp()) RETURNING * INTO l;
  END IF;
  was_out := l.amount - l.used;
  told := l.used;
  amount := greatest(p_keep, p_used, p_settled);
  more := greatest(0, amount - l.amount);
  IF more > 0 THEN
    INSERT INTO turnpike.events (kind, replica, epoch, window_id, amount)
      VALUES (CASE WHEN fresh THEN 'carried_over' WHEN p_exposed > 0 THEN 'exposure' ELSE 'overrun' END,
        me.id, me.epoch, w.id, more);
  END IF;
  UPDATE turnpike.windows x SET settled = x.settled + p_settled - told,
    leased = x.leased + amount - p_settled - CASE WHEN l.state = 'active' THEN was_out ELSE 0 END,
    quarantine = x.quarantine - CASE WHEN l.state = 'quarantine' THEN was_out ELSE 0 END WHERE x.id = w.id;

  SELECT r.limit_nano - coalesce(sum(c.settled + c.leased + c.quarantine), 0),
    coalesce(sum(c.settled + c.quarantine), 0) INTO free, elsewhere
    FROM turnpike.counted(r.id, r.rolling_us, p_start, p_end) c;
  granted := 0;
  IF p_want >= 0 AND r.in_force AND free > 0 THEN
    block := least(p_block_max, free / (4 * p_live));
    IF p_want <= free THEN granted := greatest(block, p_want);
    ELSIF p_least <= free AND p_least > 0 THEN granted := free;
    ELSE granted := block;
    END IF;
  END IF;
  IF p_want > granted THEN
    UPDATE turnpike.rules x SET short_at = clock_timestamp() WHERE x.id = r.id;
  END IF;
  amount := amount + granted;
  free := free - granted;
  UPDATE turnpike.windows x SET leased = x.leased + granted WHERE x.id = w.id;
  UPDATE turnpike.leases x SET epoch = me.epoch, amount = exchange_one.amount, used = p_settled,
    beyond = x.beyond + more, since = clock_timestamp(),
    state = CASE WHEN p_last AND exchange_one.amount = p_settled THEN 'closed' ELSE 'active' END WHERE x.id = l.id;
  SELECT coalesce(sum(x.used), 0) INTO mine FROM turnpike.leases x
    WHERE x.replica = me.id AND x.journal = me.journal
    AND x.window_id IN (SELECT c.id FROM turnpike.counted(r.id, r.rolling_us, p_start, p_end) c);
  elsewhere := elsewhere - mine;
  lease := l.id;
END $$;

-- Many windows at once; `place` counts the asks from 1. Asks for rules that do not exist get no answer.
CREATE FUNCTION turnpike.exchange(p_replica text, p_epoch bigint, p_block_max bigint, p_budget text[], p_span text[],
  p_start bigint[], p_end bigint[], p_settled bigint[], p_used bigint[], p_keep bigint[], p_exposed bigint[],
  p_want bigint[], p_least bigint[], p_last boolean[])
RETURNS TABLE (place bigint, lease bigint, amount bigint, granted bigint, elsewhere bigint, free bigint)
LANGUAGE plpgsql AS $$
DECLARE
  me turnpike.replicas;
  r turnpike.rules;
  ask record;
  live bigint;
BEGIN
  me := turnpike.check_epoch(p_replica, p_epoch);
  SELECT greatest(1, count(*)) INTO live FROM turnpike.replicas p WHERE p.deadline > clock_timestamp();
  FOR r IN SELECT x.* FROM turnpike.rules x
    WHERE (x.budget, x.span) IN (SELECT * FROM unnest(p_budget, p_span))
    ORDER BY x.rank, x.budget, x.span FOR UPDATE OF x
  LOOP
    FOR ask IN SELECT * FROM unnest(p_budget, p_span, p_start, p_end, p_settled, p_used, p_keep, p_exposed, p_want,
        p_least, p_last) WITH ORDINALITY
        AS a (budget, span, start_us, end_us, settled, used, keep, exposed, want, at_least, last, place)
      WHERE a.budget = r.budget AND a.span = r.span ORDER BY a.start_us
    LOOP
      RETURN QUERY SELECT ask.place, one.* FROM turnpike.exchange_one(me, r, ask.start_us, ask.end_us, ask.settled,
        ask.used, ask.keep, ask.exposed, ask.want, ask.at_least, ask.last, live, p_block_max) one;
    END LOOP;
  END LOOP;
END $$;

-- Seqs are given under one lock, so that whoever has seen one has seen all before it. p_local: the definition's entry in
-- the replica's journal; one that is there already is not taken twice.
CREATE FUNCTION turnpike.define(p_replica text, p_epoch bigint, p_local bigint, p_kind smallint, p_subject text, p_detail text,
  p_rank smallint, p_spans text[], p_rolling bigint[], p_limits bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  me turnpike.replicas;
  made bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('turnpike.definitions'));
  me := turnpike.check_epoch(p_replica, p_epoch);
  IF p_local <= me.published THEN RETURN 0; END IF;
  UPDATE turnpike.replicas SET published = p_local WHERE id = p_replica;
  INSERT INTO turnpike.definitions (replica, kind, subject, detail) VALUES (p_replica, p_kind, p_subject, p_detail)
    RETURNING seq INTO made;
  IF p_rank >= 0 THEN
    PERFORM 1 FROM turnpike.rules x WHERE x.budget = p_subject ORDER BY x.rank, x.budget, x.span FOR UPDATE;
    UPDATE turnpike.rules x SET in_force = false WHERE x.budget = p_subject AND x.span <> ALL (p_spans);
    INSERT INTO turnpike.rules AS x (rank, budget, span, rolling_us, limit_nano, in_force)
      SELECT p_rank, p_subject, a.span, a.rolling, a.most, true
      FROM unnest(p_spans, p_rolling, p_limits) AS a (span, rolling, most) ORDER BY a.span
      ON CONFLICT (budget, span) DO UPDATE SET limit_nano = excluded.limit_nano, in_force = true;
  END IF;
  RETURN made;
END $$;

-- Leases of replicas that have been silent for too long go into quarantine; what has been there for p_keep_ms is
-- booked as spent. A replica that comes back with its journal puts either right.
CREATE FUNCTION turnpike.reclaim(p_grace_ms bigint, p_keep_ms bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  locked bigint[];
  l record;
  done bigint := 0;
BEGIN
  SELECT array_agg(q.id) INTO locked FROM (
    SELECT r.id FROM turnpike.rules r WHERE r.id IN (
      SELECT w.rule FROM turnpike.leases x JOIN turnpike.replicas p ON p.id = x.replica
        JOIN turnpike.windows w ON w.id = x.window_id
      WHERE x.state IN ('active', 'quarantine') AND (x.journal <> p.journal
        OR p.deadline + p_grace_ms * interval '1 millisecond' < clock_timestamp()))
    ORDER BY r.rank, r.budget, r.span FOR UPDATE) q;
  IF locked IS NULL THEN RETURN 0; END IF;
  FOR l IN SELECT x.id, x.replica, x.epoch, x.window_id, x.amount, x.amount - x.used AS rest, x.state,
      x.since + p_keep_ms * interval '1 millisecond' < clock_timestamp() AS due
    FROM turnpike.leases x JOIN turnpike.replicas p ON p.id = x.replica JOIN turnpike.windows w ON w.id = x.window_id
    WHERE w.rule = ANY (locked) AND x.state IN ('active', 'quarantine') AND (x.journal <> p.journal
      OR p.deadline + p_grace_ms * interval '1 millisecond' < clock_timestamp())
  LOOP
    IF l.state = 'active' THEN
      UPDATE turnpike.leases x SET state = 'quarantine', since = clock_timestamp() WHERE x.id = l.id;
      UPDATE turnpike.windows x SET leased = x.leased - l.rest, quarantine = x.quarantine + l.rest
        WHERE x.id = l.window_id;
    ELSIF l.due THEN
      UPDATE turnpike.leases x SET state = 'estimated', used = x.amount WHERE x.id = l.id;
      UPDATE turnpike.windows x SET quarantine = x.quarantine - l.rest, settled = x.settled + l.rest
        WHERE x.id = l.window_id;
    ELSE
      CONTINUE;
    END IF;
    INSERT INTO turnpike.events (kind, replica, epoch, window_id, amount) VALUES
      (CASE WHEN l.state = 'active' THEN 'quarantine' ELSE 'settle_estimated' END, l.replica, l.epoch, l.window_id,
       l.rest);
    done := done + 1;
  END LOOP;
  RETURN done;
END $$;

-- What does not add up: one line each.
CREATE FUNCTION turnpike.faults() RETURNS SETOF text LANGUAGE sql STABLE AS $$
  SELECT format('window %s of budget %s: settled %s, leased %s, quarantine %s, but its leases give %s, %s, %s',
      w.id, r.budget, w.settled, w.leased, w.quarantine, s.used, s.leased, s.quarantine)
    FROM turnpike.windows w JOIN turnpike.rules r ON r.id = w.rule
    LEFT JOIN LATERAL (SELECT coalesce(sum(l.used), 0) AS used,
      coalesce(sum(l.amount - l.used) FILTER (WHERE l.state = 'active'), 0) AS leased,
      coalesce(sum(l.amount - l.used) FILTER (WHERE l.state = 'quarantine'), 0) AS quarantine
      FROM turnpike.leases l WHERE l.window_id = w.id) s ON true
    WHERE w.settled <> s.used OR w.leased <> s.leased OR w.quarantine <> s.quarantine
  UNION ALL
  SELECT format('lease %s of replica %s holds less than it used', l.id, l.replica)
    FROM turnpike.leases l WHERE l.amount < l.used AND l.state <> 'closed'
  UNION ALL
  -- Also true for a moment after a limit was lowered, until the replicas have given back what is too much.
  SELECT format('budget %s (%s): %s nano-credits are lent or settled above %s', r.budget, r.span, t.out - t.beyond -
      r.limit_nano, r.limit_nano)
    FROM turnpike.windows w JOIN turnpike.rules r ON r.id = w.rule, LATERAL (
      SELECT sum(c.settled + c.leased + c.quarantine) AS out, sum(c.leased) AS leased,
        sum((SELECT coalesce(sum(l.beyond), 0) FROM turnpike.leases l WHERE l.window_id = c.id)) AS beyond
      FROM turnpike.counted(r.id, r.rolling_us, w.start_us, w.end_us) c WHERE c.start_us <= w.start_us) t
    WHERE r.in_force AND t.leased > 0 AND t.out - t.beyond > r.limit_nano
$$;
)sql";

}  // namespace

const std::array<std::string_view, central_version> central_steps{version_1};

}  // namespace turnpike::account
