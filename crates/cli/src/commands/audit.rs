//! `audit`: what was decided on every tool call, and whether the record of it is as it was written.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use jiff::{Span, Timestamp, civil, tz::TimeZone};
use missiond_core::Error;
use missiond_core::text::escape_line;
use missiond_policy::Decision;
use missiond_policy::audit::{
    AuditError, AuditFilter, AuditFollow, AuditPaths, Digest, Record, Verified, newest, read, verify,
};
use serde_json::json;

use crate::cli::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::{
    GREEN, RED, YELLOW, audit_csv, audit_line, audit_table, count, line, list, remark, to_json,
};
use crate::signals::interrupts;

/// How long a writer of the log is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often a log that is followed is looked at.
const FOLLOW_POLL: Duration = Duration::from_millis(250);
/// The most records that are shown at once.
const MAX_SHOWN: u64 = 100_000;

/// Read and check the audit log: every verdict on a tool call, in a chain that shows changes
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    Tail(Tail),
    Query(Query),
    Verify(Verify),
    Export(Export),
}

/// Print the newest records
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// How many.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=MAX_SHOWN))]
    lines: u64,
    /// Go on with new records as they come.
    #[arg(long, short)]
    follow: bool,
}

/// Print the records that fit, oldest first
#[derive(Debug, Args)]
pub(crate) struct Query {
    #[command(flatten)]
    which: Which,
    /// At most so many, the newest.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=MAX_SHOWN))]
    limit: u64,
}

/// Which records are wanted.
#[derive(Debug, Args)]
struct Which {
    /// Written at this moment or later: 2026-03-01T12:00:00Z, 2026-03-01, or how long ago, such as 2h or 7d.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Written before this moment.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Timestamp>,
    /// Of this tool, such as Bash.
    #[arg(long, value_name = "TOOL")]
    tool: Option<String>,
    /// Decided so.
    #[arg(long, value_name = "DECISION")]
    decision: Option<Word>,
    /// Resting on this rule.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Of the agent in this slot.
    #[arg(long, value_name = "SLOT")]
    slot: Option<String>,
    /// Of the task whose id begins so.
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Of this conversation of the agent's.
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// With this text in the arguments, the reason, the directory or the note, in whatever case.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    Allow,
    Ask,
    Deny,
}

/// Check that no record was changed, removed, put in or moved
///
/// Names the first record that is not as it was written, and then ends with exit code 1. Somebody who may write the files can
/// write all of them anew: that shows only against a hash that was noted down elsewhere, such as the one that this prints.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The hash of a record that must be there, as an earlier check printed it.
    #[arg(long, value_name = "HASH")]
    expect: Option<Digest>,
}

/// Write the records out, as they stand in the log or as CSV
///
/// The lines are those of the log, byte by byte, so that their hashes can be checked.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    which: Which,
    /// As comma-separated values, with a header.
    #[arg(long, conflicts_with_all = ["format", "json"])]
    csv: bool,
    /// Into this file, which must not exist, instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Audit {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let paths = AuditPaths::new(&context.project()?.settings.audit_log_path);
        match self {
            Self::Tail(tail) => tail.run(context, &paths).await,
            Self::Query(query) => query.run(context, &paths),
            Self::Verify(verify) => verify.run(context, &paths),
            Self::Export(export) => export.run(context, &paths),
        }
    }
}

impl Tail {
    async fn run(self, context: &Context, paths: &AuditPaths) -> anyhow::Result<Exit> {
        // From here on it misses nothing; what is printed of the past may overlap with it.
        let mut follow = AuditFollow::after(paths.clone(), 0);
        if self.follow {
            follow.new_records()?;
        }
        let records = found(paths, &AuditFilter::default(), self.lines)?;
        if !self.follow {
            show(context, &records)?;
            return Ok(Exit::OK);
        }
        let mut signals = interrupts()?;
        let mut last = 0;
        let mut new = records;
        loop {
            for record in new.iter().filter(|record| record.seq > last) {
                match context.stream_format() {
                    Format::Table => line(audit_line(record))?,
                    Format::Json | Format::Jsonl => line(to_json(record, false)?)?,
                }
            }
            last = new.last().map_or(last, |record| record.seq.max(last));
            tokio::select! {
                () = tokio::time::sleep(FOLLOW_POLL) => {}
                _ = signals.wait_for(|count| *count > 0) => return Ok(Exit::INTERRUPTED),
            }
            new = follow.new_records()?;
        }
    }
}

impl Query {
    fn run(self, context: &Context, paths: &AuditPaths) -> anyhow::Result<Exit> {
        let records = found(paths, &self.which.filter(), self.limit)?;
        show(context, &records)?;
        if records.len() as u64 == self.limit {
            remark(format!("these are the newest {}; `--limit` shows more", self.limit));
        }
        Ok(Exit::OK)
    }
}

impl Which {
    fn filter(self) -> AuditFilter {
        let mut filter = AuditFilter::default();
        (filter.since, filter.until) = (self.since, self.until);
        (filter.tool, filter.rule, filter.text) = (self.tool, self.rule, self.text);
        (filter.slot, filter.task, filter.session) = (self.slot, self.task, self.session);
        filter.decision = self.decision.map(|word| match word {
            Word::Allow => Decision::Allow,
            Word::Ask => Decision::Ask,
            Word::Deny => Decision::Deny,
        });
        filter
    }
}

impl Verify {
    fn run(self, context: &Context, paths: &AuditPaths) -> anyhow::Result<Exit> {
        let verified = match verify(paths, self.expect, LOCK_WAIT) {
            Err(error) if error.is_missing() => return Err(none_yet(paths).into()),
            verified => verified?,
        };
        match context.format {
            Format::Table => print_verified(&verified)?,
            format => {
                let fault = verified.fault.as_ref().map(|fault| {
                    let spot = fault.spot.as_ref();
                    json!({
                        "file": spot.map(|spot| spot.path.display().to_string()),
                        "line": spot.map(|spot| spot.line),
                        "record": fault.seq,
                        "what": fault.what,
                    })
                });
                let torn: Vec<String> = verified.torn.iter().map(ToString::to_string).collect();
                let last = verified.last.map(|(seq, hash)| json!({ "record": seq, "hash": hash }));
                let document = json!({
                    "sound": fault.is_none(), "records": verified.records, "files": verified.files,
                    "first": verified.first, "last": last, "torn": torn, "fault": fault,
                });
                line(to_json(&document, format == Format::Json)?)?;
            }
        }
        Ok(if verified.fault.is_none() { Exit::OK } else { Exit::FAILURE })
    }
}

fn print_verified(verified: &Verified) -> anyhow::Result<()> {
    let extent = format!("{} in {}", count(verified.records, "record"), count(verified.files, "file"));
    match &verified.fault {
        None => line(format!("{GREEN}sound{GREEN:#}    {extent}"))?,
        Some(fault) => {
            let spot = match &fault.spot {
                Some(spot) if spot.line == 0 => {
                    format!("{}: ", escape_line(&spot.path.display().to_string()))
                }
                Some(spot) => format!("{}: ", escape_line(&spot.to_string())),
                None => String::new(),
            };
            let record = fault.seq.map(|seq| format!("record {seq}: ")).unwrap_or_default();
            line(format!("{RED}damaged{RED:#}  {spot}{record}{}", escape_line(&fault.what)))?;
            line(format!("         {extent} before it are sound"))?;
        }
    }
    for spot in &verified.torn {
        let spot = escape_line(&spot.to_string());
        line(format!(
            "{YELLOW}torn{YELLOW:#}     {spot}: its writer was killed before anybody was told of it"
        ))?;
    }
    if let Some((seq, hash)) = verified.last {
        line(format!("newest   record {seq}, {hash}"))?;
    }
    Ok(())
}

impl Export {
    fn run(self, context: &Context, paths: &AuditPaths) -> anyhow::Result<Exit> {
        let filter = self.which.filter();
        match &self.output {
            None => {
                let mut stdout = BufWriter::new(io::stdout().lock());
                write_out(&mut stdout, paths, &filter, self.csv)?;
                stdout.flush()?;
            }
            Some(file) => {
                let file = context.directory.join(file);
                let shown = escape_line(&file.display().to_string());
                let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
                let mut created = BufWriter::new(
                    created.with_context(|| format!("can't make {shown}; it must be a new file"))?,
                );
                let written = write_out(&mut created, paths, &filter, self.csv)
                    .and_then(|written| created.flush().map(|()| written).map_err(Into::into))
                    .with_context(|| format!("can't write {shown}"))?;
                remark(format!("{} in {shown}", count(written, "record")));
            }
        }
        Ok(Exit::OK)
    }
}

/// Writes the records that fit, and gives their number.
fn write_out(
    out: &mut impl io::Write,
    paths: &AuditPaths,
    filter: &AuditFilter,
    csv: bool,
) -> anyhow::Result<u64> {
    let mut written = 0;
    let mut outcome = Ok(());
    if csv {
        out.write_all(audit_csv(None).as_bytes())?;
    }
    let unreadable = read(paths, filter, LOCK_WAIT, |record, bytes| {
        outcome = if csv {
            out.write_all(audit_csv(Some(&record)).as_bytes())
        } else {
            out.write_all(bytes).and_then(|()| out.write_all(b"\n"))
        };
        written += 1;
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    outcome?;
    match unreadable {
        Err(error) if error.is_missing() => {}
        unreadable => tell_unreadable(unreadable?),
    }
    Ok(written)
}

/// The newest records that fit; none where there is no log yet.
fn found(paths: &AuditPaths, filter: &AuditFilter, most: u64) -> Result<Vec<Record>, AuditError> {
    match newest(paths, filter, usize::try_from(most).unwrap_or(usize::MAX), LOCK_WAIT) {
        Ok((records, unreadable)) => {
            tell_unreadable(unreadable);
            Ok(records)
        }
        Err(error) if error.is_missing() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn tell_unreadable(lines: u64) {
    if lines > 0 {
        remark(format!(
            "{YELLOW}{} no records{YELLOW:#}; `missiond audit verify` says what is wrong",
            count(lines, "line")
        ));
    }
}

fn show(context: &Context, records: &[Record]) -> anyhow::Result<()> {
    list(context.format, records, "no records", || audit_table(records))
}

fn none_yet(paths: &AuditPaths) -> Error {
    let path: &Path = paths.current();
    Error::Missing(format!(
        "there is no audit log {}; it begins with the first tool call that is judged",
        path.display()
    ))
}

/// Reads a moment: a point in time, a day or a time of day here, or how long ago it was.
fn moment(text: &str) -> Result<Timestamp, String> {
    let here = TimeZone::system();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(at) = text.parse::<civil::DateTime>() {
        return at.to_zoned(here).map(|at| at.timestamp()).map_err(|error| error.to_string());
    }
    let ago = text.parse::<Span>().ok().filter(|span| !span.is_negative());
    let ago = ago.and_then(|span| Timestamp::now().to_zoned(here).checked_sub(span).ok());
    ago.map(|at| at.timestamp())
        .ok_or_else(|| "write 2026-03-01T12:00:00Z, 2026-03-01, or how long ago, such as 2h or 7d".to_owned())
}
