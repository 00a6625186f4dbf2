//! Changing one value of a file, and nothing else in it.

use std::io::Write as _;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table};

use crate::config::keys;
use crate::config::layers::{Config, ConfigError, MAX_FILE_BYTES, Origin, Sources};
use crate::files::read_text;

/// Sets a key in the file, which is made if it is not there; comments and order stay as they are.
///
/// The new file is complete or the old one stays: it is written beside it and renamed.
///
/// # Errors
///
/// When the key is unknown, the value does not fit, the file is malformed or cannot be written.
pub fn set_in_file(path: &Path, name: &str, text: &str) -> Result<(), ConfigError> {
    let mut checked = Sources { project_file: Some(path.to_path_buf()), ..Sources::default() };
    checked.overrides.push((name.to_owned(), text.to_owned()));
    Config::load(&checked)?;

    let old = match read_text(path, MAX_FILE_BYTES) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(ConfigError::Unreadable { path: path.to_path_buf(), source }),
    };
    let malformed = |message: String| ConfigError::BadValue {
        origin: Origin::Project(path.to_path_buf()),
        key: name.to_owned(),
        expected: "a key of a table".to_owned(),
        found: message,
    };
    let mut document: DocumentMut =
        old.parse().map_err(|error: toml_edit::TomlError| malformed(error.to_string()))?;
    let key = keys::find(name).expect("the key was checked above");
    let value = keys::parse_text(key, text).expect("the value was checked above");
    let (section, leaf) = name.split_once('.').expect("every key has a section");
    let table = document.entry(section).or_insert_with(|| Item::Table(Table::new()));
    let Some(table) = table.as_table_like_mut() else {
        return Err(malformed(format!("`{section}` is no table")));
    };
    let mut new = match value {
        toml::Value::Integer(number) => toml_edit::Value::from(number),
        toml::Value::Boolean(flag) => toml_edit::Value::from(flag),
        other => toml_edit::Value::from(other.as_str().unwrap_or(text)),
    };
    if let Some(old) = table.get(leaf).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    table.insert(leaf, Item::Value(new));
    write(path, &document.to_string())
        .map_err(|source| ConfigError::Unwritable { path: path.to_path_buf(), source })
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let beside = path.with_extension(format!("toml.{}", std::process::id()));
    let written = (|| {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    })();
    if written.is_err() {
        // The first error is the one to report; what is left of the new file is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
    }
    written
}
