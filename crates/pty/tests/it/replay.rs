//! The detector against recordings of real agents.

use missiond_pty::{Observation, Profile, Status};

use crate::recordings::{self, Interval, Recording};

/// The share of sampled moments that must be right.
const FLOOR: f64 = 0.97;
const FLOOR_WITHOUT_TITLES: f64 = 0.97;
/// Moments this near to a change of the truth aren't counted: the screen follows the network and the keys.
const BORDER: f64 = 0.5;
const STEP: f64 = 0.05;

#[derive(Default)]
struct Score {
    moments: usize,
    right: usize,
    wrong: Vec<String>,
}

impl Score {
    fn share(&self) -> f64 {
        self.right as f64 / self.moments as f64
    }

    fn add(&mut self, recording: &Recording, seen: &[(f64, Observation)]) {
        for (class, start, end) in runs(&recording.truth) {
            let mut time = start + BORDER;
            while time < end - BORDER {
                let at = seen.partition_point(|(t, _)| *t <= time);
                let observed = at.checked_sub(1).map(|at| &seen[at].1);
                self.moments += 1;
                if observed.is_some_and(|seen| class_of(seen.status) == Some(class)) {
                    self.right += 1;
                } else {
                    let status = observed.map(|seen| seen.status.to_string());
                    self.wrong.push(format!("{} at {time:.2}: {class}, seen as {status:?}", recording.name));
                }
                time += STEP;
            }
        }
    }
}

/// The truth's runs of one class: idle, busy or confirming. The other states aren't scored.
fn runs(truth: &[Interval]) -> Vec<(&'static str, f64, f64)> {
    let mut runs: Vec<(&'static str, f64, f64)> = Vec::new();
    for interval in truth {
        let class = match interval.state.as_str() {
            "idle" => "idle",
            "thinking" | "responding" | "tool_running" => "busy",
            "confirming" => "confirming",
            "starting" | "transition" | "exited" => continue,
            other => panic!("state {other}"),
        };
        match runs.last_mut() {
            Some((last, _, end)) if *last == class && (*end - interval.start).abs() < 0.002 => {
                *end = interval.end;
            }
            _ => runs.push((class, interval.start, interval.end)),
        }
    }
    runs
}

fn class_of(status: Status) -> Option<&'static str> {
    match status {
        Status::Idle { .. } => Some("idle"),
        Status::Busy(_) => Some("busy"),
        Status::Confirming => Some("confirming"),
        _ => None,
    }
}

#[test]
fn idle_busy_and_confirming_are_told_apart_in_recordings() {
    let profile = Profile::claude();
    let mut score = Score::default();
    for recording in recordings::all("claude") {
        score.add(&recording, &recording.observe(&profile, |_| {}));
    }
    println!("claude: {:.2} % of {} moments", 100.0 * score.share(), score.moments);
    assert!(score.moments > 3000, "only {} moments were scored", score.moments);
    assert!(score.share() >= FLOOR, "{:.4}\n{}", score.share(), score.wrong.join("\n"));
}

#[test]
fn the_screen_is_enough_without_titles() {
    let profile = Profile::claude();
    let mut score = Score::default();
    for recording in recordings::all("claude") {
        score.add(&recording, &recording.observe(&profile, |snapshot| snapshot.title = "".into()));
    }
    println!("claude without titles: {:.2} % of {} moments", 100.0 * score.share(), score.moments);
    assert!(score.share() >= FLOOR_WITHOUT_TITLES, "{:.4}\n{}", score.share(), score.wrong.join("\n"));
}

#[test]
fn every_dialog_is_found_with_kind_tool_options_and_highlight() {
    let profile = Profile::claude();
    let mut dialogs = 0;
    for recording in recordings::all("claude") {
        let seen = recording.observe(&profile, |_| {});
        for interval in recording.truth.iter().filter(|i| i.state == "confirming" && i.end - i.start > 0.3) {
            let place = format!("{} at {:.2}", recording.name, interval.end);
            let before = seen.partition_point(|(t, _)| *t <= interval.end - 0.05);
            let dialog = seen[before - 1].1.dialog.clone().unwrap_or_else(|| panic!("{place}: no dialog"));
            let detail = &interval.detail;
            dialogs += 1;

            let kind = match detail["kind"].as_str().unwrap() {
                "trust-folder" => "trust",
                kind if kind.starts_with("onboarding:") => "onboarding",
                kind if kind.starts_with("menu:") => "menu",
                kind => kind,
            };
            assert_eq!(dialog.kind.to_string(), kind, "{place}");
            assert_eq!(dialog.tool.as_deref(), detail["tool"].as_str(), "{place}");
            let wanted: Vec<&str> =
                detail["options"].as_array().unwrap().iter().map(|o| o.as_str().unwrap()).collect();
            let labels: Vec<&str> = dialog.options.iter().map(|o| o.label.as_str()).collect();
            assert_eq!(labels, wanted, "{place}");
            let highlighted = dialog.highlighted().map(|n| n as u64 + 1);
            assert_eq!(highlighted, detail["highlighted"].as_u64(), "{place}");
            if dialog.tool.as_deref() == Some("Bash") {
                assert_eq!(dialog.argument.as_deref(), detail["argument"].as_str(), "{place}");
            }
            if matches!(dialog.tool.as_deref(), Some("Write" | "Edit")) {
                let path = detail["argument"].as_str().unwrap();
                assert!(
                    path.ends_with(dialog.argument.as_deref().unwrap()),
                    "{place}: {:?}",
                    dialog.argument
                );
            }
        }
    }
    assert!(dialogs >= 20, "only {dialogs} dialogs");
}

#[test]
fn p2_no_dialog_is_seen_where_there_is_none() {
    let profile = Profile::claude();
    for recording in recordings::all("claude") {
        for (time, seen) in recording.observe(&profile, |_| {}) {
            if seen.status != Status::Confirming {
                continue;
            }
            // Half a second for the moments in which a dialog comes and goes.
            let real = recording.truth.iter().any(|interval| {
                let known = matches!(interval.state.as_str(), "confirming" | "transition");
                known && interval.start - BORDER <= time && time <= interval.end + BORDER
            });
            assert!(real, "{} at {time:.2}: {:?}", recording.name, seen.dialog);
        }
    }
}
