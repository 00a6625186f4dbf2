//! From one file to the next.

use std::{fs, time::Duration};

use jiff::Timestamp;
use missiond_policy::audit::AuditOptions;

use super::Scene;

fn small(keep_files: usize) -> Scene {
    let mut options = AuditOptions::default();
    (options.max_file_bytes, options.keep_files) = (2000, keep_files);
    Scene::with(options)
}

#[test]
fn chain_goes_on_through_the_files() {
    let scene = small(100);
    for number in 0..40 {
        scene.call(&format!("echo {number}"));
    }
    let old = scene.old();
    assert!(old.len() > 3, "{old:?}");
    scene.assert_sound(40 + 1 + old.len() as u64);
    assert_eq!(scene.verify().files, old.len() as u64 + 1);
    let first = scene.lines()[0].clone();
    let before = old.last().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    assert!(first.contains("\"kind\":\"opened\"") && first.contains(&before), "{first}");
    assert!(old.iter().all(|path| fs::metadata(path).unwrap().len() < 4000));
}

#[test]
fn every_file_is_verified() {
    let scene = small(100);
    for number in 0..40 {
        scene.call(&format!("echo {number}"));
    }
    let middle = scene.old()[1].clone();
    let text = fs::read_to_string(&middle).unwrap();
    fs::write(&middle, text.replacen("\"allow\"", "\"deny\"", 1)).unwrap();
    let fault = scene.verify().fault.unwrap();
    assert_eq!(fault.spot.unwrap().path, middle);
    fs::write(&middle, &text).unwrap();
    assert_eq!(scene.verify().fault, None);

    fs::remove_file(&middle).unwrap();
    assert!(scene.fault().1.contains("are missing before this one"));
    fs::write(&middle, &text).unwrap();
    let renamed = scene.log.paths().directory().join("00000000000000000001.jsonl");
    let first = scene.old()[0].clone();
    assert_eq!(first, renamed);
    fs::rename(&middle, scene.log.paths().directory().join("00000000000000000002.jsonl")).unwrap();
    assert!(scene.fault().1.contains("file's name"));
}

#[test]
fn age_begins_a_new_file() {
    let scene = Scene::new();
    let long_ago: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    scene.call_at("echo 1", long_ago);
    scene.call_at("echo 2", long_ago + Duration::from_secs(29 * 86_400));
    assert_eq!(scene.old().len(), 0);
    scene.call_at("echo 3", long_ago + Duration::from_secs(31 * 86_400));
    assert_eq!(scene.old().len(), 1);
    scene.assert_sound(5);
}

#[test]
fn surplus_files_are_removed_and_that_is_on_record() {
    let scene = small(2);
    for number in 0..60 {
        scene.call(&format!("echo {number}"));
    }
    assert!(scene.old().len() <= 3, "{:?}", scene.old());
    let verified = scene.verify();
    assert_eq!(verified.fault, None);
    assert!(verified.first.unwrap() > 10, "{verified:?}");
    // One more than the record says is one too many.
    fs::remove_file(&scene.old()[0]).unwrap();
    assert!(scene.fault().1.contains("nothing says that they were removed"));
}

#[test]
fn old_files_are_removed() {
    let mut options = AuditOptions::default();
    (options.max_file_bytes, options.keep_age) = (2000, Duration::from_secs(86_400));
    let scene = Scene::with(options);
    for number in 0..20 {
        scene.call(&format!("echo {number}"));
    }
    let before = scene.old();
    assert!(before.len() >= 3);
    let week = std::time::SystemTime::now() - Duration::from_secs(7 * 86_400);
    for path in &before[..2] {
        fs::File::options().write(true).open(path).unwrap().set_modified(week).unwrap();
    }
    while scene.old().first() == before.first() {
        scene.call("echo more");
    }
    assert_eq!(scene.old().first(), before.get(2));
    assert_eq!(scene.verify().fault, None);
}

#[test]
fn writer_that_was_killed_while_it_rotated_leaves_no_fault() {
    let scene = small(100);
    for _ in 0..3 {
        scene.call("echo 1");
    }
    // The file was moved away, and then nothing, or an empty file, came.
    for empty in [false, true] {
        let first = scene.old().len();
        let seq =
            serde_json::from_str::<serde_json::Value>(&scene.lines()[0]).unwrap()["seq"].as_u64().unwrap();
        fs::rename(scene.path(), scene.log.paths().directory().join(format!("{seq:020}.jsonl"))).unwrap();
        if empty {
            fs::write(scene.path(), "").unwrap();
        }
        assert_eq!(scene.verify().fault, None);
        scene.call("echo 2");
        assert_eq!(scene.verify().fault, None, "{empty}");
        assert_eq!(scene.old().len(), first + 1);
    }
    // The new file has a torn line and the head doesn't know of it.
    let seq = serde_json::from_str::<serde_json::Value>(&scene.lines()[0]).unwrap()["seq"].as_u64().unwrap();
    fs::rename(scene.path(), scene.log.paths().directory().join(format!("{seq:020}.jsonl"))).unwrap();
    fs::write(scene.path(), "{\"v\":1,\"se").unwrap();
    assert_eq!(scene.verify().fault, None);
    for _ in 0..30 {
        scene.call("echo 3");
    }
    assert_eq!(scene.verify().fault, None);
}

/// A file that stands in the way is never written over.
#[test]
fn name_that_is_taken_is_an_error() {
    let scene = small(100);
    scene.call("echo 1");
    let taken = scene.log.paths().directory().join("00000000000000000001.jsonl");
    fs::write(&taken, "mine").unwrap();
    let call = missiond_policy::ToolCall::new("Bash", serde_json::json!({}), "/");
    let verdict =
        missiond_policy::Verdict::new(missiond_policy::Decision::Allow, missiond_policy::Risk::Low, "x");
    let refused = (0..40).find_map(|_| {
        let judged = missiond_policy::audit::Judged::new(Timestamp::now(), &call, &verdict);
        scene.log.append(&judged).err()
    });
    assert!(refused.unwrap().to_string().contains("can't replace"));
    assert_eq!(fs::read_to_string(taken).unwrap(), "mine");
}
