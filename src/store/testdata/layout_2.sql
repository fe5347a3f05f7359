-- A database as version 0.1 left it. Never edited: it stands for the files that people have.
CREATE TABLE store_objects(id INTEGER PRIMARY KEY, resource TEXT NOT NULL, space TEXT NOT NULL,
  name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE store_segments(id INTEGER PRIMARY KEY, stream TEXT NOT NULL, bytes BLOB NOT NULL);
CREATE INDEX store_segments_by_stream ON store_segments(stream);
CREATE TABLE store_modules(module TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE store_counters(one INTEGER PRIMARY KEY CHECK(one = 1), version INTEGER NOT NULL,
  segment INTEGER NOT NULL);
INSERT INTO store_counters VALUES(1, 42, 7);
CREATE TABLE ledger(id INTEGER PRIMARY KEY, note TEXT UNIQUE);
INSERT INTO ledger VALUES(1, 'one');
INSERT INTO store_modules VALUES('ledger', 1);
INSERT INTO store_objects VALUES(3, 'pods', 'default', 'web-0', 40,
  '{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"app":"web"},"name":"web-0","namespace":"default","resourceVersion":"40","uid":"1b4e28ba-2fa1-41d2-883f-0016d3cca427"},"spec":{"nodeName":"n1"}}');
INSERT INTO store_segments VALUES(5, 'run/loss', x'0102');
INSERT INTO store_segments VALUES(7, 'run/loss', x'03');
PRAGMA application_id = 1835755892;
PRAGMA user_version = 2;
