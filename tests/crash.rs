//! `kill -9` of the whole program at random moments loses no task, doubles none, and leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says what it saw"
)]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::{Project, script, slots};

/// How often the program is killed, unless `MISSIOND_TEST_KILLS` says otherwise.
const KILLS: u64 = 50;
/// How many tasks the queue is filled up to, whenever half of them have ended.
const TASKS: usize = 20;
/// The latest moment of a kill after the program's start.
const LATEST: u64 = 1200;

#[test]
fn every_task_ends_exactly_once_through_kills() {
    let seed = setting("MISSIOND_TEST_SEED", 0x5eed);
    let wanted_kills = setting("MISSIOND_TEST_KILLS", KILLS);
    println!(
        "seed {seed}, {wanted_kills} kills (set MISSIOND_TEST_SEED and MISSIOND_TEST_KILLS to change them)"
    );
    let mut random = Random(seed);
    let cap = format!("[core]\nmax_concurrent_agents = {TASKS}\n");
    let project = Project::new(&format!("{cap}{}", slots("scripted", "headless", TASKS)));
    let mut tasks = Vec::new();
    let (mut kills, mut rounds) = (0, 0);
    while kills < wanted_kills {
        let open = open_tasks(&project);
        if open < TASKS / 2 {
            for _ in open..TASKS {
                tasks.push(submit(&project, tasks.len(), &mut random));
            }
        }
        let mut up = project.start(&["up", "--drain"]);
        // The moment is what the test is about: anywhere from before the lock to the middle of many turns.
        let moment = Instant::now() + Duration::from_millis(random.below(LATEST));
        while Instant::now() < moment {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Only a kill that met the program at work counts. One that ended by itself must have had nothing left to do.
        rounds += 1;
        assert!(rounds < 10 * wanted_kills, "{kills} kills in {rounds} rounds met a program at work");
        if up.has_ended() {
            let ended = up.wait();
            assert_eq!(ended.code, 0, "{ended}\n{:#?}", reasons(&project));
        } else {
            kills += 1;
            up.kill();
        }
    }
    let last = project.run(&["up", "--drain"]);
    assert_eq!(last.code, 0, "{last}\n{:#?}", reasons(&project));

    check_log(&project, &tasks, kills);
    check_nothing_is_left(&project);
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a setting is a number"))
}

/// How many tasks have not ended, as the store itself says without an owner.
fn open_tasks(project: &Project) -> usize {
    let listed = project.json(&["task", "list", "--format", "json"]);
    let open = |task: &&Value| matches!(task["status"].as_str(), Some("queued" | "running"));
    listed.as_array().unwrap().iter().filter(open).count()
}

/// Why tasks failed, for whoever reads that they did.
fn reasons(project: &Project) -> Vec<Value> {
    let listed = project.json(&["task", "list", "--format", "json"]);
    let tasks = listed.as_array().unwrap().iter().filter(|task| task["status"] == "failed");
    tasks.map(|task| json!([task["id"], task["reason"]])).collect()
}

fn submit(project: &Project, number: usize, random: &mut Random) -> String {
    let steps = json!([
        { "think_ms": random.below(300) },
        { "write": { "path": format!("file-{number}.txt"), "content": format!("{number}\n") } },
        { "think_ms": random.below(300) },
        { "say": format!("done {number}") },
    ]);
    let submitted = project.json(&["task", "submit", &script(&steps), "--format", "json"]);
    submitted[0]["task"].as_str().unwrap().to_owned()
}

fn check_log(project: &Project, tasks: &[String], kills: u64) {
    let listed = project.json(&["task", "list", "--format", "json"]);
    let status: BTreeMap<&str, &Value> =
        listed.as_array().unwrap().iter().map(|task| (task["id"].as_str().unwrap(), task)).collect();
    assert_eq!(status.len(), tasks.len(), "a task was lost or doubled");
    for id in tasks {
        assert_eq!(status[id.as_str()]["status"], "done", "{}", status[id.as_str()]);
        let commit = status[id.as_str()]["result"]["commit"].as_str().unwrap();
        project.repo.git(&["cat-file", "-e", commit]).unwrap();
    }
    let events = project.events();
    let mut finished: BTreeMap<String, u32> = BTreeMap::new();
    let mut tokens = HashSet::new();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], json!(index + 1), "an event number is missing or doubled: {event}");
        match event["kind"].as_str().unwrap() {
            "task.finished" => {
                *finished.entry(event["task"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            "task.leased" => {
                assert!(tokens.insert(event["token"].as_u64().unwrap()), "a token twice: {event}");
            }
            _ => {}
        }
    }
    for id in tasks {
        assert_eq!(finished.get(id), Some(&1), "task {id} ended {:?} times", finished.get(id));
    }
    let requeued = events.iter().filter(|event| event["kind"] == "task.requeued").count();
    println!("{} tasks, {} events, {requeued} attempts cut off by a kill", tasks.len(), events.len());
    assert!(requeued as u64 > 2 * kills, "only {requeued} attempts were cut off by {kills} kills");
}

fn check_nothing_is_left(project: &Project) {
    assert_eq!(project.processes_left(), Vec::<String>::new());
    assert_eq!(project.worktrees(), Vec::<String>::new());
    let doctor = project.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{doctor}");
    project.repo.git(&["fsck", "--strict", "--no-dangling"]).unwrap();
}

/// A small generator (splitmix64), so that a run can be repeated from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}
