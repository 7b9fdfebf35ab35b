"""Searches a small bundled SQLite database of harbours, tide gauges and tide readings. The places are invented."""

import re
import sqlite3
import time

LATENCY = (
    0.35  # seconds a stage: stands in for a remote database, so that overlapping calls can be seen in the timeline
)
COMMON_WORDS = set("a about all an and are at for from how in is it of on or show that the to what you".split())


def patterns(query: str) -> list[str]:
    """One LIKE pattern for each word that matters, without a plural s, so that "tides" finds "tide"."""
    words = [word for word in re.findall(r"[a-z0-9]+", query.lower()) if word not in COMMON_WORDS]
    stems = [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words]
    return [f"%{stem}%" for stem in dict.fromkeys(stems)]


def find(database: sqlite3.Connection, wanted: list[str], limit: int) -> list[tuple[str, str, int]]:
    """Kind, text and number of matching words of the records that match, the best first."""
    if not wanted:
        return []
    hits = " + ".join("(text LIKE ?)" for _ in wanted)
    statement = (
        f"SELECT kind, text, {hits} AS hits FROM record WHERE hits > 0 ORDER BY hits DESC, position, text LIMIT ?"
    )
    return database.execute(statement, [*wanted, limit]).fetchall()


def search_database(query: str, limit: int = 5) -> str:
    """Search the harbour database: harbours, tide gauges, tide readings and notices to mariners.

    Every word of the query is looked for in every record; records that match more words come first.

    Args:
        query: Words to look for, such as a harbour's name, "high tide" or "gauge".
        limit: How many records to give at most, 1 to 20.

    Examples:
        search_database("high tide Norhaven")
    """
    print("Opening the harbour database", flush=True)
    database = sqlite3.connect(":memory:")
    database.executescript(HARBOURS)
    (count,) = database.execute("SELECT count(*) FROM record").fetchone()
    time.sleep(LATENCY)

    wanted = patterns(query)
    print(f"Matching {count} records against: {' '.join(wanted) or '(no words)'}", flush=True)
    records = find(database, wanted, max(1, min(limit, 20)))
    time.sleep(LATENCY)

    print(f"Records found: {len(records)}", flush=True)
    time.sleep(LATENCY)
    database.close()
    if not records:
        return f'No record matches "{query}". Harbours on file: Norhaven, Skerry Bay, Port Alder, Westmouth.'
    return "\n".join(f"- [{kind}] {text}" for kind, text, _ in records)


# The database. The view `record` puts every row into one sentence, which is what the search looks at.
HARBOURS = """
CREATE TABLE harbour (id INTEGER PRIMARY KEY, name TEXT, coast TEXT, berths INTEGER, depth_m REAL);
INSERT INTO harbour VALUES
  (1, 'Norhaven', 'north', 42, 9.5), (2, 'Skerry Bay', 'west', 18, 6.0),
  (3, 'Port Alder', 'south', 96, 12.5), (4, 'Westmouth', 'west', 27, 7.2);

CREATE TABLE gauge (id INTEGER PRIMARY KEY, harbour_id INTEGER REFERENCES harbour, sensor TEXT, since INTEGER);
INSERT INTO gauge VALUES
  (1, 1, 'radar', 1998), (2, 2, 'float', 1931), (3, 3, 'radar', 2006), (4, 3, 'pressure', 2014), (5, 4, 'pressure', 2011);

CREATE TABLE reading (gauge_id INTEGER REFERENCES gauge, day TEXT, at TEXT, water TEXT, predicted_m REAL, measured_m REAL);
INSERT INTO reading VALUES
  (1, '2024-03-11', '00:42', 'high', 4.31, 4.38), (1, '2024-03-11', '06:55', 'low', 0.62, 0.70),
  (1, '2024-03-11', '13:04', 'high', 4.44, 4.52), (1, '2024-03-11', '19:17', 'low', 0.48, 0.51),
  (2, '2024-03-11', '01:20', 'high', 3.12, 3.09), (2, '2024-03-11', '07:31', 'low', 0.95, 0.97),
  (2, '2024-03-11', '13:43', 'high', 3.20, 3.41), (3, '2024-03-11', '03:58', 'high', 5.87, 5.90),
  (3, '2024-03-11', '10:12', 'low', 0.21, 0.18), (3, '2024-03-11', '16:21', 'high', 6.02, 6.05),
  (5, '2024-03-11', '02:05', 'high', 3.66, 3.71), (5, '2024-03-11', '08:18', 'low', 0.80, 0.77);

CREATE TABLE notice (id INTEGER PRIMARY KEY, harbour_id INTEGER REFERENCES harbour, day TEXT, body TEXT);
INSERT INTO notice VALUES
  (1, 1, '2024-03-09', 'Spring tides until 13 March: the north quay floods above 4.5 m.'),
  (2, 2, '2024-03-10', 'The lighthouse on Skerry Point shows a fixed light while its lens is overhauled.'),
  (3, 3, '2024-03-10', 'Dredging in the east channel; pass north of the yellow buoys.'),
  (4, 4, '2024-03-11', 'Ferry berth 3 closed; coffee stall and waiting room stay open.'),
  (5, 2, '2024-03-11', 'Storm surge of 0.2 m measured at the afternoon high tide.');

CREATE VIEW record AS
SELECT 1 AS position, 'tide reading' AS kind,
       'Tide at ' || name || ' on ' || day || ': ' || water || ' water at ' || at || ', predicted '
       || printf('%.2f', predicted_m) || ' m, measured ' || printf('%.2f', measured_m) || ' m' AS text
  FROM reading JOIN gauge ON gauge.id = gauge_id JOIN harbour ON harbour.id = harbour_id
UNION ALL
SELECT 2, 'notice', day || ', ' || name || ': ' || body FROM notice JOIN harbour ON harbour.id = harbour_id
UNION ALL
SELECT 3, 'gauge', 'Tide gauge at ' || name || ': ' || sensor || ' sensor, recording since ' || since
  FROM gauge JOIN harbour ON harbour.id = harbour_id
UNION ALL
SELECT 4, 'harbour', 'Harbour ' || name || ' on the ' || coast || ' coast: ' || berths || ' berths, ' || depth_m || ' m deep'
  FROM harbour;
"""
