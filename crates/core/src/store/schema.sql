-- Version 1. Moments are RFC 3339 text in UTC, with as many digits of a second as they have. Identifiers are text.

-- Which value was given last, for numbers that must never be given twice.
CREATE TABLE counters (
    name  TEXT    PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('lease_token', 0);

-- `num` is the order of submission. `request` is a NewTask, `workspace` a WorkspaceRecord and `result` a TaskResult, as JSON.
CREATE TABLE tasks (
    num          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    request      TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    reason       TEXT,
    attempts     INTEGER NOT NULL DEFAULT 0,
    lease_slot   TEXT,
    lease_token  INTEGER,
    lease_until  TEXT,
    workspace    TEXT,
    conversation TEXT,
    submitted_at TEXT    NOT NULL,
    started_at   TEXT,
    finished_at  TEXT,
    -- Last, since it can be long: whoever reads the columns before it need not read through it.
    result       TEXT,
    CHECK ((lease_slot IS NULL) = (lease_token IS NULL) AND (lease_slot IS NULL) = (lease_until IS NULL))
) STRICT;
CREATE INDEX tasks_by_status ON tasks (status);
CREATE UNIQUE INDEX tasks_leased_to ON tasks (lease_slot) WHERE lease_slot IS NOT NULL;

-- The writer checks this too; here it holds even for a hand at the database.
CREATE TRIGGER tasks_stay_final BEFORE UPDATE OF status ON tasks
WHEN OLD.status IN ('done', 'failed', 'cancelled') AND NEW.status <> OLD.status
BEGIN
    SELECT RAISE(ABORT, 'a task never leaves a final status');
END;

-- `config` is a SlotConfig as JSON.
CREATE TABLE slots (
    id     TEXT    PRIMARY KEY NOT NULL,
    config TEXT    NOT NULL,
    status TEXT    NOT NULL,
    reason TEXT,
    task   TEXT    REFERENCES tasks (id),
    pid    INTEGER,
    since  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- `call` is a ToolCall and `verdict` a Verdict, as JSON.
CREATE TABLE approvals (
    num         INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    task        TEXT    NOT NULL REFERENCES tasks (id),
    slot        TEXT    NOT NULL,
    call        TEXT    NOT NULL,
    verdict     TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    answered_by TEXT,
    note        TEXT,
    opened_at   TEXT    NOT NULL,
    expires_at  TEXT    NOT NULL
) STRICT;
CREATE INDEX approvals_pending ON approvals (task) WHERE status = 'pending';

CREATE TRIGGER approvals_stay_settled BEFORE UPDATE OF status ON approvals
WHEN OLD.status <> 'pending' AND NEW.status <> OLD.status
BEGIN
    SELECT RAISE(ABORT, 'a settled question stays settled');
END;

-- `recipient` is a Recipient as JSON; `sender` is a slot, or null for a person.
CREATE TABLE messages (
    num       INTEGER PRIMARY KEY,
    id        TEXT    NOT NULL UNIQUE,
    sender    TEXT,
    recipient TEXT    NOT NULL,
    sent_at   TEXT    NOT NULL,
    text      TEXT    NOT NULL
) STRICT;

-- The log. `seq` is 1, 2, 3, … without a gap, which is why the writer assigns it. `body` is an EventBody as JSON, the name of
-- the event under `kind`.
CREATE TABLE events (
    seq  INTEGER PRIMARY KEY,
    at   TEXT    NOT NULL,
    task TEXT,
    slot TEXT,
    body TEXT    NOT NULL
) STRICT;
