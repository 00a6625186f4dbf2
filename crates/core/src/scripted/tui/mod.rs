//! The scripted agent in a terminal.

mod dialog;
mod draft;
mod keys;
mod screen;
mod terminal;
mod text;
mod transcript;

use std::io::{self, Read as _};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::scripted::Conversation;
use crate::scripted::event::{Call, Ending, Event};
use crate::scripted::play::{Choice, Player, Stage};
use crate::scripted::script::Script;
use crate::scripted::stop::Stop;

use dialog::Dialog;
use keys::{Key, Keys};
use screen::Screen;
use terminal::RawTerminal;
use transcript::Transcript;

/// How long an Escape waits to be the beginning of a sequence.
const ESCAPE: Duration = Duration::from_millis(30);
/// How often everything is drawn anew if nothing happens, which costs nothing while it is the same.
const LOOK: Duration = Duration::from_secs(1);
/// How long a turn that is under way may take to stop when the program ends.
const LAST_TURN: Duration = Duration::from_secs(2);
/// How long a turn is seen to be under way at least: a shorter one could begin and end between two looks at the screen.
const MIN_TURN: Duration = Duration::from_millis(100);
/// How much news may wait, and how much of it is taken in at once before it is drawn.
const MAX_NEWS: usize = 64;
/// How often a question looks whether its turn was stopped.
const ASKING: Duration = Duration::from_millis(50);

/// Runs until the person leaves, the terminal is gone, or a signal says so.
pub(super) fn run(player: Player, conversation: &Conversation) -> Result<ExitCode, String> {
    let terminal = RawTerminal::enter()?;
    let (mut transcript, earlier) = Transcript::open(conversation)?;
    let begun = Event::Begun { cwd: player.cwd.to_string_lossy().into_owned() };
    transcript
        .append(&begun.line(&player.session))
        .map_err(|error| format!("the transcript could not be written: {error}"))?;
    let session = player.session.clone();
    let (news, received) = sync_channel(MAX_NEWS);
    watch_input(news.clone()).map_err(|error| format!("no thread for the input: {error}"))?;
    watch_signals(news.clone())?;
    let mut screen = Screen::default();
    earlier.into_iter().for_each(|message| screen.earlier(message));
    let mut program = Program {
        terminal,
        screen,
        keys: Keys::default(),
        player: Arc::new(player),
        transcript: Arc::new(Mutex::new(transcript)),
        news,
        turn: None,
        asking: None,
    };
    let leave = program.run(received);
    program.finish();
    drop(program);
    match leave {
        Ok(Leave::Person) => {
            say(&format!("Go on with this conversation by `--resume {session}`."));
            Ok(ExitCode::SUCCESS)
        }
        Ok(Leave::Signal(code)) => Ok(ExitCode::from(code)),
        Err(error) => Err(format!("the terminal is gone: {error}")),
    }
}

#[allow(
    clippy::print_stdout,
    reason = "this is a program of its own, and the terminal is the person's again"
)]
fn say(text: &str) {
    println!("{text}");
}

/// What wakes the program.
enum News {
    Input(Vec<u8>),
    Closed,
    /// The program is to end with this exit code.
    Signal(u8),
    /// The terminal has another size, or had one for a moment.
    Resized,
    Turn(Event),
    Ask(Box<Dialog>, Sender<Choice>),
    /// The turn could not be played on.
    Broken(String),
}

enum Leave {
    Person,
    Signal(u8),
}

struct Program {
    terminal: RawTerminal,
    screen: Screen,
    keys: Keys,
    player: Arc<Player>,
    transcript: Arc<Mutex<Transcript>>,
    news: SyncSender<News>,
    turn: Option<RunningTurn>,
    asking: Option<Sender<Choice>>,
}

struct RunningTurn {
    begun: Instant,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Program {
    fn run(&mut self, received: Receiver<News>) -> io::Result<Leave> {
        loop {
            let elapsed = self.turn.as_ref().map_or(Duration::ZERO, |turn| turn.begun.elapsed());
            let frame = self.screen.frame(self.terminal.size(), elapsed);
            self.terminal.draw(frame)?;
            let patience = match (self.keys.is_unsure(), &self.turn) {
                (true, _) => ESCAPE,
                (false, Some(_)) => screen::SPIN,
                (false, None) => LOOK,
            };
            let mut next = match received.recv_timeout(patience) {
                Ok(news) => Some(news),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(key) = self.keys.settle()
                        && let Some(leave) = self.press(key)
                    {
                        return Ok(leave);
                    }
                    None
                }
                // `self` holds a sender.
                Err(RecvTimeoutError::Disconnected) => return Ok(Leave::Person),
            };
            // What has come meanwhile is drawn with it.
            for _ in 0..MAX_NEWS {
                let Some(news) = next.take() else { break };
                if let Some(leave) = self.take(news) {
                    return Ok(leave);
                }
                next = received.try_recv().ok();
            }
            if let Some(leave) = next.and_then(|news| self.take(news)) {
                return Ok(leave);
            }
        }
    }

    fn take(&mut self, news: News) -> Option<Leave> {
        match news {
            News::Input(bytes) => {
                for key in self.keys.feed(&bytes) {
                    if let Some(leave) = self.press(key) {
                        return Some(leave);
                    }
                }
            }
            News::Closed => return Some(Leave::Person),
            News::Signal(code) => return Some(Leave::Signal(code)),
            News::Resized => self.terminal.forget(),
            News::Turn(event) => {
                if matches!(event, Event::End { .. }) {
                    self.turn = None;
                    self.asking = None;
                }
                self.screen.show(event);
            }
            News::Ask(dialog, answer) => {
                self.screen.dialog = Some(*dialog);
                self.asking = Some(answer);
            }
            News::Broken(message) => {
                self.turn = None;
                self.asking = None;
                self.screen.show(failed(message));
            }
        }
        None
    }

    fn press(&mut self, key: Key) -> Option<Leave> {
        self.screen.note = None;
        if matches!(key, Key::Control('c')) {
            return Some(Leave::Person);
        }
        if let Some(dialog) = &mut self.screen.dialog {
            if let Some(choice) = dialog.press(&key) {
                self.screen.dialog = None;
                if let Some(answer) = self.asking.take() {
                    // A turn that ended meanwhile does not hear it.
                    let _ = answer.send(choice);
                }
            }
            return None;
        }
        let draft = &mut self.screen.draft;
        let taken = match key {
            Key::Char(c) => draft.push(c),
            Key::Newline => draft.push('\n'),
            Key::Paste(text) => draft.paste(text),
            Key::TooLong => false,
            Key::Backspace => {
                draft.delete_last();
                true
            }
            Key::Control('u') => {
                draft.clear();
                true
            }
            Key::Control('d') if draft.is_blank() => return Some(Leave::Person),
            Key::Enter => {
                if self.turn.is_none() && !draft.is_blank() {
                    let prompt = draft.take();
                    self.begin(prompt);
                }
                true
            }
            Key::Escape => {
                if let Some(turn) = &self.turn {
                    turn.stop.stop();
                }
                true
            }
            Key::Up | Key::Down | Key::Control(_) => true,
        };
        if !taken {
            let limit = keys::MAX_PASTE_BYTES;
            self.screen.note = Some(format!("a prompt has at most {limit} bytes: nothing was added"));
        }
        None
    }

    fn begin(&mut self, prompt: String) {
        let script = Script::of_prompt(&prompt).map_err(|error| crate::error::chain(&error));
        let stop = Stop::default();
        let heard = stop.clone();
        let begun = Instant::now();
        let mut stage = Board {
            begun,
            player: self.player.clone(),
            transcript: self.transcript.clone(),
            news: self.news.clone(),
            stop: stop.clone(),
        };
        self.screen.busy = Some("Thinking");
        let work = move || {
            let player = stage.player.clone();
            let played = stage.show(Event::Prompt(prompt)).and_then(|()| match script {
                Ok(script) => player.play(&script, &mut stage, &heard),
                Err(message) => stage.show(failed(message)),
            });
            if let Err(error) = played {
                let _ = stage.news.send(News::Broken(format!("the turn could not be played: {error}")));
            }
        };
        match thread::Builder::new().name("turn".to_owned()).spawn(work) {
            Ok(thread) => self.turn = Some(RunningTurn { begun, stop, thread: Some(thread) }),
            Err(error) => self.screen.show(failed(format!("no thread for the turn: {error}"))),
        }
    }

    /// Stops a turn that is under way, so that nothing of it is left.
    fn finish(&mut self) {
        let Some(turn) = &mut self.turn else { return };
        turn.stop.stop();
        self.asking = None;
        let deadline = Instant::now() + LAST_TURN;
        let Some(thread) = turn.thread.take() else { return };
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Where a turn in a terminal shows: first in the transcript, then on the screen.
struct Board {
    begun: Instant,
    player: Arc<Player>,
    transcript: Arc<Mutex<Transcript>>,
    news: SyncSender<News>,
    stop: Stop,
}

impl Stage for Board {
    fn show(&mut self, event: Event) -> io::Result<()> {
        // Appending a line is all that is done under the lock, so it is never left half done.
        let mut transcript = self.transcript.lock().unwrap_or_else(PoisonError::into_inner);
        transcript.append(&event.line(&self.player.session))?;
        drop(transcript);
        if matches!(event, Event::End { .. }) {
            self.stop.sleep(MIN_TURN.saturating_sub(self.begun.elapsed()));
        }
        // The program may be leaving.
        let _ = self.news.send(News::Turn(event));
        Ok(())
    }

    fn ask(&mut self, call: &Call, reason: String) -> Choice {
        let (answer, answered) = channel();
        let _ = self.news.send(News::Ask(Box::new(Dialog::about(call, reason)), answer));
        loop {
            match answered.recv_timeout(ASKING) {
                Ok(choice) => return choice,
                Err(RecvTimeoutError::Timeout) if !self.stop.is_stopped() => {}
                Err(_) => return Choice::Stop,
            }
        }
    }
}

/// The end of a turn that was none.
fn failed(message: String) -> Event {
    Event::End { ending: Ending::Failed(message), answer: String::new(), milliseconds: 0, calls: 0 }
}

fn watch_input(news: SyncSender<News>) -> io::Result<()> {
    let watch = move || {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let sent = match io::stdin().lock().read(&mut buffer) {
                Ok(0) => news.send(News::Closed),
                Ok(count) => news.send(News::Input(buffer[..count].to_vec())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => news.send(News::Closed),
            };
            if sent.is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("input".to_owned()).spawn(watch).map(drop)
}

/// Hears of a new size, and of the signals that would leave the terminal as it is.
fn watch_signals(news: SyncSender<News>) -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};

    let failed = |error: io::Error| format!("signals cannot be heard: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let entered = runtime.enter();
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut resize = signal(SignalKind::window_change()).map_err(failed)?;
    drop(entered);
    let watch = move || {
        loop {
            let next = runtime.block_on(async {
                // The exit code is the one by which shells tell of a signal.
                tokio::select! {
                    _ = hangup.recv() => News::Signal(128 + 1),
                    _ = interrupt.recv() => News::Signal(128 + 2),
                    _ = terminate.recv() => News::Signal(128 + 15),
                    _ = resize.recv() => News::Resized,
                }
            });
            if news.send(next).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch).map(drop).map_err(failed)
}
