//! Writers that were killed in the middle.

use std::{fs, io::Write as _};

use super::Scene;

fn append(scene: &Scene, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).open(scene.path()).unwrap().write_all(bytes).unwrap();
}

/// The line that the next call would have made, from a copy of the log.
fn next_line(scene: &Scene) -> Vec<u8> {
    let copy = Scene::new();
    fs::create_dir(copy.log.paths().directory()).unwrap();
    fs::copy(scene.path(), copy.path()).unwrap();
    fs::copy(scene.head(), copy.head()).unwrap();
    copy.call("echo next");
    let bytes = fs::read(copy.path()).unwrap();
    bytes[fs::read(scene.path()).unwrap().len()..].to_vec()
}

#[test]
fn torn_record_is_told_from_tampering_and_repaired_by_the_next_writer() {
    for cut in [1, 20, 200, usize::MAX] {
        let scene = Scene::filled(2);
        let line = next_line(&scene);
        append(&scene, &line[..cut.min(line.len() - 2)]);
        let verified = scene.verify();
        assert_eq!((&verified.fault, verified.records, verified.torn.len()), (&None, 3, 1), "{verified:#?}");
        assert_eq!(verified.torn[0].line, 4);
        scene.call("echo later");
        let verified = scene.verify();
        // The repair and the call.
        assert_eq!((&verified.fault, verified.records, verified.torn.len()), (&None, 5, 1), "{verified:#?}");
        assert!(scene.lines()[4].contains("\"kind\":\"repaired\""));
        scene.call("echo later still");
        scene.assert_sound(6);
    }
}

#[test]
fn record_that_lacks_only_its_end_is_taken_in() {
    let scene = Scene::filled(2);
    let line = next_line(&scene);
    append(&scene, line.strip_suffix(b"\n").unwrap());
    scene.assert_sound(4);
    scene.call("echo later");
    scene.assert_sound(5);
    assert_eq!(scene.verify().torn, []);
}

#[test]
fn record_that_the_head_does_not_know_yet_is_taken_in() {
    let scene = Scene::filled(2);
    let head = fs::read(scene.head()).unwrap();
    scene.call("echo 3");
    fs::write(scene.head(), head).unwrap();
    scene.assert_sound(4);
    assert_eq!(scene.call("echo 4").seq, 5);
    scene.assert_sound(5);
}

#[test]
fn torn_line_that_was_changed_after_its_repair_is_a_fault() {
    let scene = Scene::filled(2);
    let line = next_line(&scene);
    append(&scene, &line[..40]);
    scene.call("echo later");
    let mut lines = scene.lines();
    lines[3] = lines[3].replace("\"v\"", "\"w\"");
    scene.write_lines(&lines);
    assert_eq!(scene.fault().0, Some(4));
    lines.remove(3);
    scene.write_lines(&lines);
    // The repair itself follows the chain; what it speaks of is gone, and was nothing.
    assert_eq!(scene.verify().records, 5);
}

#[test]
fn foreign_lines_behind_the_newest_record_are_a_fault() {
    let scene = Scene::filled(2);
    append(&scene, b"{\"decision\":\"allow\"}\n");
    assert_eq!(scene.fault().0, Some(4));
    scene.call("echo later");
    let (line, what) = scene.fault();
    assert_eq!(line, Some(4), "{what}");
    assert!(scene.lines()[4].contains("that no writer of ours wrote"));
}

#[test]
fn writer_that_was_killed_before_its_first_record_leaves_no_fault() {
    let scene = Scene::new();
    fs::create_dir(scene.log.paths().directory()).unwrap();
    fs::write(scene.head(), "").unwrap();
    fs::write(scene.path(), "").unwrap();
    scene.call("echo 1");
    scene.assert_sound(2);
}

#[test]
fn log_without_any_record_is_no_log_to_go_on_with() {
    let scene = Scene::new();
    fs::write(scene.path(), "my shopping list\n").unwrap();
    let call = missiond_policy::ToolCall::new("Bash", serde_json::json!({}), "/");
    let verdict =
        missiond_policy::Verdict::new(missiond_policy::Decision::Allow, missiond_policy::Risk::Low, "");
    let judged = missiond_policy::audit::Judged::new(jiff::Timestamp::now(), &call, &verdict);
    let error = scene.log.append(&judged).unwrap_err().to_string();
    assert!(error.contains("move it"), "{error}");
    assert_eq!(fs::read_to_string(scene.path()).unwrap(), "my shopping list\n");
}
