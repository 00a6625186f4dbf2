//! The contract of [`Gate`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::contract::patience::{begin_and_drop, within};
use crate::model::{Decision, ToolCall, Verdict};
use crate::ports::{Gate, Seat};

/// What "within seconds" means here; a caller denies after as long.
const SECONDS: Duration = Duration::from_secs(10);

/// Checks the guarantees of [`Gate`] that hold whatever its policy is: it answers in time and without a panic, whatever
/// the call, and the same call gets the same verdict. The seat's workspace and project must exist.
///
/// What remains for the implementation's own tests: that its verdicts are the right ones.
///
/// # Panics
///
/// With the guarantee that is broken.
///
/// # Cancel safety
///
/// Dropping the future ends the check.
pub async fn check(gate: Arc<dyn Gate>, seat: Seat) {
    for call in calls(&seat) {
        let first = judge(&*gate, &call, &seat).await;
        let dropped = begin_and_drop(gate.judge(&call, &seat)).await;
        drop(dropped);
        let again = judge(&*gate, &call, &seat).await;
        assert_eq!(first, again, "the same call must get the same verdict: {}", shown(&call));

        let mut mute = seat.clone();
        mute.can_ask = false;
        let unasked = judge(&*gate, &call, &mute).await;
        assert!(
            unasked.as_ref().is_none_or(|verdict| verdict.decision != Decision::Ask),
            "where nobody can be asked, `ask` must be `deny`: {}",
            shown(&call)
        );
    }
    at_once(gate, seat).await;
}

async fn judge(gate: &dyn Gate, call: &ToolCall, seat: &Seat) -> Option<Verdict> {
    let guarantee =
        format!("a verdict must come within seconds, and a person must not be asked: {}", shown(call));
    let verdict = within(SECONDS, &guarantee, gate.judge(call, seat)).await.ok()?;
    assert!(
        verdict.decision == Decision::Allow || !verdict.reason.trim().is_empty(),
        "a verdict that is no yes must say why: {}",
        shown(call)
    );
    Some(verdict)
}

async fn at_once(gate: Arc<dyn Gate>, seat: Seat) {
    let call = calls(&seat).remove(0);
    let expected = judge(&*gate, &call, &seat).await;
    let judging: Vec<_> = (0..32)
        .map(|_| {
            let (gate, seat, call) = (Arc::clone(&gate), seat.clone(), call.clone());
            tokio::spawn(async move { judge(&*gate, &call, &seat).await })
        })
        .collect();
    for verdict in judging {
        let verdict =
            verdict.await.unwrap_or_else(|error| panic!("calls at the same time must not panic: {error}"));
        assert_eq!(verdict, expected, "calls at the same time must be judged as one alone is");
    }
}

/// Calls of every shape, likely and not.
fn calls(seat: &Seat) -> Vec<ToolCall> {
    let here = &seat.workspace;
    let bash = |command: &str| ("Bash", json!({ "command": command }));
    let mut deep = Value::Null;
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let shapes = [
        bash("ls"),
        bash("rm -rf /"),
        bash(""),
        bash("\u{0}\u{1b}[2J\u{202e} 'unclosed $("),
        bash(&"echo x; ".repeat(20_000)),
        ("Read", json!({ "file_path": here.join("README.md") })),
        ("Write", json!({ "file_path": "/etc/passwd", "content": "x" })),
        ("Edit", json!({ "file_path": here.join("../../x"), "old_string": "a", "new_string": "b" })),
        ("WebFetch", json!({ "url": "https://example.com/", "prompt": "x" })),
        ("mcp__server__tool", json!({ "any": ["thing"] })),
        ("NoSuchTool", json!({})),
        ("", json!(null)),
        ("Bash", json!(null)),
        ("Bash", json!("a text")),
        ("Bash", json!({ "command": 7 })),
        ("Write", json!({ "file_path": "x".repeat(100_000), "content": "" })),
        ("Ünïcödé\u{0}", deep),
    ];
    let shaped = shapes.into_iter().enumerate();
    shaped.map(|(number, (tool, input))| ToolCall::new(format!("call-{number}"), tool, input, here)).collect()
}

fn shown(call: &ToolCall) -> String {
    let argument = call.argument();
    format!("{} {:?}", call.tool, missiond_process::text::truncate(&argument, 80))
}
