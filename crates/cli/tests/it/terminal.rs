//! On a terminal: colours and live progress, which a pipe does not get.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;

use crate::support::{Scene, script};

/// Runs a command with standard output and error on a terminal of 80 columns, and gives what it drew.
fn on_terminal(mut command: Command) -> (i32, String) {
    let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap();
    tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let slave = OpenOptions::new().read(true).write(true).open(path.to_str().unwrap()).unwrap();
    command
        .stdout(slave.try_clone().unwrap())
        .stderr(slave.try_clone().unwrap())
        .env("TERM", "xterm-256color");
    let mut child = command.spawn().unwrap();
    // Ours must be closed, or the terminal never ends. `command` holds two more.
    drop((slave, command));
    let reader = std::thread::spawn(move || {
        let mut master = File::from(master);
        let mut drawn = Vec::new();
        let mut chunk = [0; 4096];
        // The end of a terminal whose other side is closed is EIO.
        while let Ok(count @ 1..) = master.read(&mut chunk) {
            drawn.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8_lossy(&drawn).into_owned()
    });
    let status = child.wait().unwrap();
    (status.code().unwrap(), reader.join().unwrap())
}

#[test]
fn terminal_gets_colours_unless_they_are_not_wanted() {
    let scene = Scene::new();
    let (code, drawn) = on_terminal(scene.command(&["status"]));
    assert_eq!(code, 0);
    assert!(drawn.contains("\u{1b}["), "{drawn:?}");
    let mut plain = scene.command(&["status"]);
    plain.env("NO_COLOR", "1");
    assert!(!on_terminal(plain).1.contains("\u{1b}["));
    assert!(!on_terminal(scene.command(&["status", "--color", "never"])).1.contains("\u{1b}["));
}

#[test]
fn long_prompts_are_cut_to_the_terminal() {
    let scene = Scene::new();
    scene.submit(&"word ".repeat(100));
    let (_, drawn) = on_terminal(scene.command(&["task", "list", "--color", "never"]));
    assert!(drawn.lines().all(|line| line.trim_end().chars().count() <= 80), "{drawn}");
    assert!(drawn.contains('…'), "{drawn}");
    assert!(
        scene.ok(&["task", "list"]).contains("word word word word word word word word word word word"),
        "a pipe gets all"
    );
}

#[test]
fn progress_is_shown_on_a_terminal_only() {
    let scene = Scene::new();
    let prompt = script(&json!([{ "think_ms": 400 }, { "say": "ready" }]));
    let (code, drawn) = on_terminal(scene.command(&["run", "--agent", "scripted", &prompt]));
    assert_eq!(code, 0, "{drawn}");
    assert!(drawn.contains("thinking"), "the task's state is shown while it changes: {drawn:?}");
    assert!(drawn.contains("ready"), "{drawn:?}");
    let outcome = scene.run(&["run", "--agent", "scripted", &prompt]);
    assert!(!outcome.all().contains("thinking"), "{outcome:#?}");
    assert_eq!(outcome.err, "", "quiet in a pipe");
}
