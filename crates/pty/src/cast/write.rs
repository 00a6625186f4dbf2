//! Writing a recording.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::{CastError, CastEvent, CastHeader, CastKind};

/// The version of the format that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CastVersion {
    /// Times are counted from the beginning.
    V2,
    /// Times are counted from the event before, and the end of the program is an event.
    #[default]
    V3,
}

/// Writes a recording, a line for each event as it happens.
///
/// Nothing is held back but what `W` holds back itself, so that what a killed recorder leaves can be read up to its last
/// whole line.
#[derive(Debug)]
pub struct CastWriter<W: Write> {
    output: W,
    version: CastVersion,
    /// The time of the last event, as far as it was written: rounding adds up to nothing.
    clock: u64,
}

impl<W: Write> CastWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn new(output: W, version: CastVersion, header: &CastHeader) -> Result<Self, CastError> {
        let (cols, rows) = (header.size.cols(), header.size.rows());
        let mut top = match version {
            CastVersion::V2 => json!({ "version": 2, "width": cols, "height": rows }),
            CastVersion::V3 => json!({ "version": 3, "term": { "cols": cols, "rows": rows } }),
        };
        let texts = [("command", &header.command), ("title", &header.title)];
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key, Value::from(text.clone()?))));
        let time = header.timestamp.map(|time| ("timestamp", Value::from(time)));
        for (key, value) in texts.chain(time) {
            top[key] = value;
        }
        let mut writer = Self { output, version, clock: 0 };
        writer.line(&top)?;
        Ok(writer)
    }

    /// Writes an event. One whose time lies before that of the last counts as happening with it.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn write(&mut self, event: &CastEvent) -> Result<(), CastError> {
        let (code, data) = match &event.kind {
            CastKind::Output(text) => ("o", text.clone()),
            CastKind::Input(text) => ("i", text.clone()),
            CastKind::Marker(text) => ("m", text.clone()),
            CastKind::Resize(size) => ("r", format!("{}x{}", size.cols(), size.rows())),
            CastKind::Exit(status) => match self.version {
                CastVersion::V2 => return Ok(()),
                CastVersion::V3 => ("x", status.to_string()),
            },
            CastKind::Other(code, data) => (code.as_str(), data.clone()),
        };
        let now = micros(event.time).max(self.clock);
        let time = match self.version {
            CastVersion::V2 => now,
            CastVersion::V3 => now - self.clock,
        };
        self.clock = now;
        // Both versions write seconds; six digits are a microsecond.
        let seconds = format!("{}.{:06}", time / 1_000_000, time % 1_000_000);
        let line = format!("[{seconds}, {}, {}]\n", Value::from(code), Value::from(data));
        self.output.write_all(line.as_bytes())?;
        Ok(())
    }

    /// The output, for what has to be done at the end: the trailer of a compression, say.
    pub fn into_inner(self) -> W {
        self.output
    }

    /// The output.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.output
    }

    fn line(&mut self, value: &Value) -> Result<(), CastError> {
        self.output.write_all(format!("{value}\n").as_bytes())?;
        Ok(())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
