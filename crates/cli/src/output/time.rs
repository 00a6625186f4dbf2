//! Moments and lengths of time as people read them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A moment in the person's time zone, to the second.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A length of time: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`.
pub(crate) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// [`length`] of so many milliseconds.
pub(crate) fn duration_ms(milliseconds: u64) -> String {
    length(Duration::from_millis(milliseconds))
}
