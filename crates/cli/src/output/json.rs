//! JSON that is safe to look at in a terminal.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// Serialises, with every character escaped that could act on a terminal or mislead a reader. JSON itself asks for this
/// only below U+0020, but U+009B begins a control sequence too.
pub(crate) fn to_json<T: Serialize + ?Sized>(thing: &T, pretty: bool) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if pretty {
        let formatter = Careful(PrettyFormatter::new());
        thing.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    } else {
        let formatter = Careful(CompactFormatter);
        thing.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    }
    Ok(String::from_utf8(bytes)?)
}

struct Careful<F>(F);

macro_rules! pass_on {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $kind)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Careful<F> {
    pass_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, character) in fragment.char_indices() {
            let mut bytes = [0; 4];
            let text = character.encode_utf8(&mut bytes);
            if character.is_ascii() || missiond_core::text::escape(text) == *text {
                continue;
            }
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + character.len_utf8();
        }
        // DEL is ASCII, needs no escape in JSON, and does nothing in any terminal of today.
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}
