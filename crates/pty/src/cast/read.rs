//! Reading a recording.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;

use super::{CastError, CastEvent, CastHeader, CastKind, MAX_CAST_LINE_BYTES};
use crate::Size;

/// Reads a recording event by event, so that its length doesn't matter.
///
/// It is an iterator over the events; after an error it has ended. A last line that was cut short, as a killed recorder
/// leaves it, ends it without an error.
pub struct CastReader {
    input: Box<dyn BufRead + Send>,
    header: CastHeader,
    /// Whether times are counted from the event before.
    relative: bool,
    clock: Duration,
    line: u64,
    ended: bool,
    text: Vec<u8>,
}

impl std::fmt::Debug for CastReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CastReader")
            .field("header", &self.header)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// The header of either version.
#[derive(Deserialize)]
struct Header {
    version: u64,
    width: Option<u64>,
    height: Option<u64>,
    term: Option<Term>,
    timestamp: Option<serde_json::Number>,
    command: Option<String>,
    title: Option<String>,
}

#[derive(Deserialize)]
struct Term {
    cols: u64,
    rows: u64,
}

impl CastReader {
    /// Opens a file; whether it is compressed with gzip is seen by how it begins.
    ///
    /// # Errors
    ///
    /// When it can't be read, or doesn't begin as a recording does.
    pub fn open(path: &Path) -> Result<Self, CastError> {
        Self::new(File::open(path)?)
    }

    /// Reads from anything, compressed with gzip or not.
    ///
    /// # Errors
    ///
    /// As [`CastReader::open`].
    pub fn new(input: impl Read + Send + 'static) -> Result<Self, CastError> {
        let mut input = BufReader::new(input);
        let compressed = input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn BufRead + Send> = match compressed {
            true => Box::new(BufReader::new(MultiGzDecoder::new(input))),
            false => Box::new(input),
        };
        let mut reader = Self {
            input,
            header: CastHeader::default(),
            relative: false,
            clock: Duration::ZERO,
            line: 0,
            ended: false,
            text: Vec::new(),
        };
        reader.read_header()?;
        Ok(reader)
    }

    /// What stands at the top.
    #[must_use]
    pub fn header(&self) -> &CastHeader {
        &self.header
    }

    fn read_header(&mut self) -> Result<(), CastError> {
        if !self.next_line()? {
            return Err(CastError::Empty);
        }
        let header: Header = serde_json::from_slice(&self.text)
            .map_err(|error| self.malformed(format!("no header of an asciicast: {error}")))?;
        let (cols, rows) = match (header.version, header.width, header.height, header.term) {
            (2, Some(cols), Some(rows), _) => (cols, rows),
            (3, _, _, Some(term)) => (term.cols, term.rows),
            (2 | 3, ..) => return Err(self.malformed("the header names no size".to_owned())),
            (found, ..) => return Err(CastError::Version { found }),
        };
        self.relative = header.version == 3;
        self.header = CastHeader {
            size: self.size(cols, rows)?,
            timestamp: header
                .timestamp
                .and_then(|time| time.as_i64().or_else(|| Some(time.as_f64()? as i64))),
            command: header.command,
            title: header.title,
        };
        Ok(())
    }

    /// Reads the next line that isn't empty into `text`; whether there is one.
    fn next_line(&mut self) -> Result<bool, CastError> {
        loop {
            self.text.clear();
            let limit = MAX_CAST_LINE_BYTES as u64 + 1;
            let read = (&mut self.input).take(limit).read_until(b'\n', &mut self.text);
            let read = match read {
                // What a recorder that was killed had compressed so far ends so.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.line > 0 => {
                    self.text.len()
                }
                read => read?,
            };
            if read == 0 {
                return Ok(false);
            }
            self.line += 1;
            if self.text.len() > MAX_CAST_LINE_BYTES {
                return Err(CastError::TooLong { line: self.line, limit: MAX_CAST_LINE_BYTES });
            }
            if !self.text.trim_ascii().is_empty() && !self.text.starts_with(b"#") {
                return Ok(true);
            }
        }
    }

    fn next_event(&mut self) -> Result<Option<CastEvent>, CastError> {
        if !self.next_line()? {
            return Ok(None);
        }
        let parsed = serde_json::from_slice::<(f64, String, String)>(&self.text);
        let (time, code, data) = match parsed {
            Ok(event) => event,
            Err(_) if !self.text.ends_with(b"\n") => return Ok(None),
            Err(error) => return Err(self.malformed(format!("no event: {error}"))),
        };
        let time = Duration::try_from_secs_f64(time)
            .map_err(|error| self.malformed(format!("{time} is no time: {error}")))?;
        let too_far = || self.malformed("the time is too far away".to_owned());
        self.clock = match self.relative {
            true => self.clock.checked_add(time).ok_or_else(too_far)?,
            // An absolute time that goes back would have events happen before others that they follow.
            false => self.clock.max(time),
        };
        let kind =
            match code.as_str() {
                "o" => CastKind::Output(data),
                "i" => CastKind::Input(data),
                "m" => CastKind::Marker(data),
                "r" => {
                    let sides = data
                        .split_once('x')
                        .and_then(|(cols, rows)| Some((cols.parse().ok()?, rows.parse().ok()?)));
                    let (cols, rows) = sides
                        .ok_or_else(|| self.malformed(format!("`{}` is no size", data.escape_debug())))?;
                    CastKind::Resize(self.size(cols, rows)?)
                }
                "x" => {
                    let status = data.trim().parse();
                    CastKind::Exit(status.map_err(|_| {
                        self.malformed(format!("`{}` is no exit status", data.escape_debug()))
                    })?)
                }
                _ => CastKind::Other(code, data),
            };
        Ok(Some(CastEvent { time: self.clock, kind }))
    }

    fn size(&self, cols: u64, rows: u64) -> Result<Size, CastError> {
        let side = |side: u64| u16::try_from(side).unwrap_or(u16::MAX);
        Size::new(side(cols), side(rows)).map_err(|error| self.malformed(error.to_string()))
    }

    fn malformed(&self, problem: String) -> CastError {
        CastError::Malformed { line: self.line, problem }
    }
}

impl Iterator for CastReader {
    type Item = Result<CastEvent, CastError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_event().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
