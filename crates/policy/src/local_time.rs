//! The time of day where the agent works.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The names of the days, Monday first, as policies write them.
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The minutes of a day.
pub(crate) const MINUTES: u16 = 24 * 60;

/// A day of the week and a time of day, by the clock on the wall: `fri 22:05`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalTime {
    /// From 0, a Monday.
    day: u8,
    minute: u16,
}

/// A text that names no time of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a local time is written as `fri 22:05`: mon, tue, wed, thu, fri, sat or sun, then hours and minutes"
)]
pub struct LocalTimeError;

impl LocalTime {
    /// A time of a day: the day from 0, a Monday, to 6, the hour to 23, the minute to 59; `None` beyond.
    #[must_use]
    pub fn new(day: u8, hour: u8, minute: u8) -> Option<Self> {
        (day < 7 && hour < 24 && minute < 60)
            .then(|| Self { day, minute: u16::from(hour) * 60 + u16::from(minute) })
    }

    /// The day, from 0, a Monday.
    pub(crate) fn day(self) -> usize {
        usize::from(self.day)
    }

    /// The minute of the day.
    pub(crate) fn minute(self) -> u16 {
        self.minute
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = DAYS.get(self.day()).copied().unwrap_or_default();
        write!(f, "{day} {:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

impl FromStr for LocalTime {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<Self, LocalTimeError> {
        let (day, time) = text.split_once(' ').ok_or(LocalTimeError)?;
        let day = DAYS.iter().zip(0_u8..).find(|(name, _)| **name == day).ok_or(LocalTimeError)?.1;
        let minute = minute_of_day(time).filter(|minute| *minute < MINUTES).ok_or(LocalTimeError)?;
        Ok(Self { day, minute })
    }
}

impl TryFrom<String> for LocalTime {
    type Error = LocalTimeError;

    fn try_from(text: String) -> Result<Self, LocalTimeError> {
        text.parse()
    }
}

impl From<LocalTime> for String {
    fn from(time: LocalTime) -> Self {
        time.to_string()
    }
}

/// The minute that `HH:MM` stands for, up to `24:00`.
pub(crate) fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    (minute < 60).then_some(hour * 60 + minute).filter(|minute| *minute <= MINUTES)
}
