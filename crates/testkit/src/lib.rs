//! Test support for missiond: a fake model server, git fixtures and a live-agent harness.
