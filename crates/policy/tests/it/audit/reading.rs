//! Asking the log.

use std::ops::ControlFlow;

use missiond_policy::{
    Decision, Risk, ToolCall, Verdict,
    audit::{AuditFilter, AuditFollow, AuditOptions, Entry, Judged, newest, read},
};
use serde_json::json;

use super::{Scene, WAIT};

fn filled() -> Scene {
    let mut options = AuditOptions::default();
    options.max_file_bytes = 1500;
    let scene = Scene::with(options);
    let rows = [
        ("Bash", "ls", Decision::Allow, "s1", "0198-a", "2026-03-01T00:00:00Z"),
        ("Bash", "git push", Decision::Ask, "s1", "0198-a", "2026-03-02T00:00:00Z"),
        ("Bash", "git push", Decision::Allow, "s1", "0198-a", "2026-03-02T01:00:00Z"),
        ("Write", "secrets.TXT", Decision::Deny, "s2", "0199-b", "2026-03-03T00:00:00Z"),
        ("Read", "notes.txt", Decision::Allow, "s2", "0199-b", "2026-03-04T00:00:00Z"),
    ];
    for (tool, argument, decision, slot, task, at) in rows {
        let call = ToolCall::new(tool, json!({ "argument": [argument] }), "/work");
        let verdict = Verdict::new(decision, Risk::Low, format!("because of {argument}"));
        let mut judged = Judged::new(at.parse().unwrap(), &call, &verdict);
        (judged.slot, judged.task) = (Some(slot), Some(task));
        scene.log.append(&judged).unwrap();
    }
    assert!(!scene.old().is_empty(), "it is about several files");
    scene
}

fn scene_holds(scene: &Scene, line: &[u8]) -> bool {
    let files = scene.old().into_iter().chain([scene.path().to_owned()]);
    files
        .map(|path| std::fs::read(path).unwrap())
        .any(|text| text.split(|byte| *byte == b'\n').any(|of| of == line))
}

fn ask(scene: &Scene, set: impl FnOnce(&mut AuditFilter)) -> Vec<u64> {
    let mut filter = AuditFilter::default();
    filter.calls_only = true;
    set(&mut filter);
    let (mut days, mut all) = (Vec::new(), Vec::new());
    let unreadable = read(scene.log.paths(), &filter, WAIT, |record, line| {
        assert!(scene_holds(scene, line), "the line is the file's");
        days.push(record.at.strftime("%d").to_string().parse().unwrap());
        all.push(record);
        ControlFlow::Continue(())
    });
    assert_eq!(unreadable.unwrap(), 0);
    assert_eq!(newest(scene.log.paths(), &filter, 100, WAIT).unwrap(), (all, 0));
    days
}

#[test]
fn each_question_finds_its_records() {
    let scene = filled();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(ask(&scene, |_| {}), [1, 2, 2, 3, 4]);
    assert_eq!(ask(&scene, |filter| filter.tool = text("Bash")), [1, 2, 2]);
    assert_eq!(ask(&scene, |filter| filter.tool = text("bash")), [0; 0]);
    assert_eq!(ask(&scene, |filter| filter.decision = Some(Decision::Allow)), [1, 2, 4]);
    assert_eq!(ask(&scene, |filter| filter.slot = text("s2")), [3, 4]);
    assert_eq!(ask(&scene, |filter| filter.task = text("0198")), [1, 2, 2]);
    assert_eq!(ask(&scene, |filter| filter.rule = text("none/such")), [0; 0]);
    assert_eq!(ask(&scene, |filter| filter.session = text("none")), [0; 0]);
    assert_eq!(ask(&scene, |filter| filter.text = text(".txt")), [3, 4]);
    assert_eq!(ask(&scene, |filter| filter.text = text("BECAUSE OF git")), [2, 2]);
    assert_eq!(ask(&scene, |filter| filter.since = Some("2026-03-02T01:00:00Z".parse().unwrap())), [2, 3, 4]);
    assert_eq!(ask(&scene, |filter| filter.until = Some("2026-03-02T01:00:00Z".parse().unwrap())), [1, 2]);
    assert_eq!(
        ask(&scene, |filter| (filter.tool, filter.decision) = (text("Bash"), Some(Decision::Ask))),
        [2]
    );
}

#[test]
fn newest_are_found_across_files() {
    let scene = filled();
    let all = newest(scene.log.paths(), &AuditFilter::default(), usize::MAX, WAIT).unwrap().0;
    let seqs: Vec<u64> = all.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=all.len() as u64).collect::<Vec<_>>());
    for count in 0..=all.len() {
        let some = newest(scene.log.paths(), &AuditFilter::default(), count, WAIT).unwrap().0;
        assert_eq!(some, all[all.len() - count..], "{count}");
    }
}

#[test]
fn lines_that_are_no_records_are_counted() {
    let scene = filled();
    std::fs::write(scene.path(), "nonsense\n{}\n\n").unwrap();
    let read = read(scene.log.paths(), &AuditFilter::default(), WAIT, |_, _| ControlFlow::Continue(()));
    assert_eq!(read.unwrap(), 3);
}

#[test]
fn follower_sees_every_record_once_through_rotations() {
    let mut options = AuditOptions::default();
    options.max_file_bytes = 1500;
    let scene = Scene::with(options);
    let mut follow = AuditFollow::after(scene.log.paths().clone(), 0);
    assert_eq!(follow.new_records().unwrap(), [], "there is no log yet");
    let mut seen = Vec::new();
    for number in 0..30 {
        scene.call(&format!("echo {number}"));
        if number % 2 == 0 {
            seen.extend(follow.new_records().unwrap());
        }
    }
    seen.extend(follow.new_records().unwrap());
    let seqs: Vec<u64> = seen.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert_eq!(seen.iter().filter(|record| matches!(record.entry, Entry::Call(_))).count(), 30);
    let mut late = AuditFollow::after(scene.log.paths().clone(), seqs.len() as u64);
    assert_eq!(late.new_records().unwrap(), []);
    scene.call("echo last");
    assert!(!late.new_records().unwrap().is_empty());
}
