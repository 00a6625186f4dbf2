//! Reads what a coding agent's screen says: the terminal crate alone, on bytes as an agent prints them.
//!
//! ```text
//! cargo run --example read_a_screen
//! ```

#![allow(clippy::print_stdout, reason = "an example prints what it shows")]

use anyhow::Result;
use missiond_pty::{Profile, Size, Terminal};

fn main() -> Result<()> {
    let profile = Profile::claude();
    let mut terminal = Terminal::new(Size::new(60, 16)?);
    let rule = "─".repeat(60);

    let prompt =
        format!("\x1b[2J\x1b[H● Ready when you are.\r\n\r\n{rule}\r\n❯ \r\n{rule}\r\n  ? for shortcuts");
    show("an empty prompt box", &profile, &mut terminal, &prompt);

    let draft = format!(
        "\x1b[2J\x1b[H● Ready when you are.\r\n\r\n{rule}\r\n❯ fix the flaky te\r\n{rule}\r\n  ? for shortcuts"
    );
    show("somebody is typing", &profile, &mut terminal, &draft);

    let dialog = format!(
        "\x1b[2J\x1b[H{rule}\r\n Bash command\r\n\r\n   git push origin main\r\n   Push the branch\r\n\r\n \
         Do you want to proceed?\r\n ❯ 1. Yes\r\n   2. No\r\n\r\n Esc to cancel"
    );
    show("a permission dialog", &profile, &mut terminal, &dialog);

    let quoted = format!(
        "\x1b[2J\x1b[H● The dialog would say:\r\n  Do you want to proceed?\r\n  ❯ 1. Yes\r\n    2. No\r\n\r\n\
         {rule}\r\n❯ \r\n{rule}\r\n  ? for shortcuts"
    );
    show("an answer that quotes a dialog", &profile, &mut terminal, &quoted);
    Ok(())
}

fn show(what: &str, profile: &Profile, terminal: &mut Terminal, bytes: &str) {
    terminal.feed(bytes.as_bytes());
    println!("--- {what}");
    print!("{}", profile.observe(&terminal.snapshot()).explain());
}
