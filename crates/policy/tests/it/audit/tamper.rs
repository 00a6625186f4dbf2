//! S9: whatever is done to the log, the first bad record is named.

use std::fs;

use super::Scene;

/// Changes the lines of a log of one opening and 6 calls; gives the line and the words of the fault.
fn tamper(change: impl FnOnce(&mut Vec<String>)) -> (Option<u64>, String) {
    let scene = Scene::filled(6);
    let mut lines = scene.lines();
    assert_eq!(lines.len(), 7);
    change(&mut lines);
    scene.write_lines(&lines);
    scene.fault()
}

#[track_caller]
fn check(found: (Option<u64>, String), line: u64, words: &str) {
    assert_eq!(found.0, Some(line), "{}", found.1);
    assert!(found.1.contains(words), "{}", found.1);
}

#[test]
fn edited_record_is_named() {
    let edit = |from: &'static str, to: &'static str| {
        tamper(|lines| {
            assert!(lines[3].contains(from));
            lines[3] = lines[3].replace(from, to);
        })
    };
    check(edit("echo 3", "echo 4"), 4, "was changed");
    check(edit("\"allow\"", "\"deny\""), 4, "was changed");
    check(edit("\"v\":1", "\"v\": 1"), 4, "was changed");
    check(edit("\"prev\":\"", "\"prev\":\"0"), 4, "was changed");
    check(tamper(|lines| lines[3].push(' ')), 4, "doesn't end with a hash");
    check(tamper(|lines| lines[3].truncate(20)), 4, "doesn't end with a hash");
    check(tamper(|lines| lines[3].clear()), 4, "doesn't end with a hash");
    check(tamper(|lines| lines[6] = lines[6].replace("echo 6", "echo 9")), 7, "was changed");
}

#[test]
fn edited_record_with_a_hash_of_its_own_breaks_the_chain_behind_it() {
    let forge = |line: &str| {
        let content = line.rsplit_once(",\"hash\":").unwrap().0.replace("echo 3", "echo 9");
        let hash = missiond_policy::audit::Digest::of(content.as_bytes());
        format!("{content},\"hash\":\"{hash}\"}}")
    };
    check(tamper(|lines| lines[3] = forge(&lines[3])), 5, "does not follow the one before it");
    // The newest has none behind it, but the head knows it.
    let found = tamper(|lines| lines[6] = forge(&lines[6].replace("echo 6", "echo 3")));
    assert!(found.1.contains("isn't the one that the head was written for"), "{}", found.1);
}

#[test]
fn deleted_record_is_named() {
    check(tamper(|lines| drop(lines.remove(3))), 4, "record 4 is missing before this one");
    check(tamper(|lines| drop(lines.drain(2..5))), 3, "records 3 to 5 are missing before this one");
    check(tamper(|lines| drop(lines.remove(0))), 1, "nothing says that they were removed");
}

#[test]
fn inserted_record_is_named() {
    let copied = tamper(|lines| {
        let copy = lines[2].clone();
        lines.insert(3, copy);
    });
    check(copied, 4, "record 3 stands where record 4 should be");
    let other = Scene::filled(6).lines();
    check(tamper(|lines| lines[3] = other[3].clone()), 4, "does not follow the one before it");
    check(tamper(|lines| lines.insert(3, "nonsense".to_owned())), 4, "no record");
    check(tamper(|lines| lines.push("nonsense".to_owned())), 8, "no record");
}

#[test]
fn swapped_records_are_named() {
    check(tamper(|lines| lines.swap(3, 4)), 4, "record 4 is missing");
    check(tamper(|lines| lines.reverse()), 2, "record 6 stands where record 8 should be");
}

#[test]
fn truncated_log_is_found_and_stays_found() {
    let scene = Scene::filled(6);
    let lines = scene.lines();
    scene.write_lines(&lines[..5]);
    let (_, what) = scene.fault();
    assert!(what.contains("records 6 to 7, the newest, are missing"), "{what}");
    // Whoever writes next says so, and the numbers have a gap for ever.
    scene.call("echo later");
    let (line, what) = scene.fault();
    assert_eq!(line, Some(6));
    assert!(what.contains("records 6 to 7 are missing before this one"), "{what}");
    assert!(what.contains("the newest records are gone"), "{what}");
    scene.call("echo later still");
    assert_eq!(scene.fault().0, Some(6));
}

#[test]
fn truncated_within_a_record_is_no_torn_record() {
    let scene = Scene::filled(6);
    let bytes = fs::read(scene.path()).unwrap();
    fs::write(scene.path(), &bytes[..bytes.len() - 30]).unwrap();
    let (_, what) = scene.fault();
    assert!(what.contains("record 7, the newest, is missing"), "{what}");
    scene.call("echo later");
    assert!(scene.fault().1.contains("doesn't end with a hash"));
}

#[test]
fn emptied_and_removed_logs_are_found() {
    for remove in [false, true] {
        let scene = Scene::filled(3);
        if remove {
            fs::remove_file(scene.path()).unwrap();
        } else {
            fs::write(scene.path(), "").unwrap();
        }
        let what = scene.fault().1;
        assert!(what.contains("records 1 to 4, the newest, are missing"), "{what}");
        scene.call("echo later");
        let what = scene.fault().1;
        assert!(what.contains("records before this one are missing") || what.contains("damaged"), "{what}");
    }
}

#[test]
fn missing_or_damaged_head_is_found_and_stays_found() {
    for damage in ["remove", "empty", "edit"] {
        let scene = Scene::filled(3);
        match damage {
            "remove" => fs::remove_file(scene.head()).unwrap(),
            "empty" => fs::write(scene.head(), "").unwrap(),
            _ => {
                let text = fs::read_to_string(scene.head()).unwrap();
                fs::write(scene.head(), text.replace(' ', "  ")).unwrap();
            }
        }
        // The newest go with it.
        scene.write_lines(&scene.lines()[..3]);
        assert!(scene.fault().1.contains("the head is missing or damaged"), "{damage}");
        scene.call("echo later");
        let (line, what) = scene.fault();
        assert!(line == Some(4) && what.contains("the head"), "{damage}: {what}");
    }
}

#[test]
fn without_a_log_there_is_nothing_to_verify() {
    let scene = Scene::new();
    let error = missiond_policy::audit::verify(scene.log.paths(), None, super::WAIT).unwrap_err();
    assert!(error.is_missing(), "{error}");
}
