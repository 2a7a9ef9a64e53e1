//! The raw figures as a JSON file: a list of flat records, one line each.
//!
//! It only writes, and only what the driver needs: strings and finite numbers.

use std::fmt::Write;
use std::io;

/// One value of a record.
pub enum Value {
    /// A piece of text.
    Text(String),
    /// A number.
    Number(f64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Number(number)
    }
}

/// All records of a run, in the order they were taken.
#[derive(Default)]
pub struct Records {
    lines: Vec<String>,
}

impl Records {
    /// Adds one record.
    pub fn add<'a>(&mut self, fields: impl IntoIterator<Item = (&'a str, Value)>) {
        let fields = fields.into_iter().map(|(name, value)| match value {
            Value::Text(text) => format!("{}: {}", quote(name), quote(&text)),
            Value::Number(number) => format!("{}: {number}", quote(name)),
        });
        self.lines.push(format!("  {{{}}}", fields.collect::<Vec<_>>().join(", ")));
    }

    /// Writes the records to `path`.
    pub fn write(&self, path: &str) -> io::Result<()> {
        std::fs::write(path, format!("[\n{}\n]\n", self.lines.join(",\n")))
    }
}

/// Writes text as JSON does.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if (character as u32) < 0x20 => {
                write!(quoted, "\\u{:04x}", character as u32).expect("a String takes any text");
            }
            character => quoted.push(character),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn quotes_and_control_characters_are_escaped() {
        assert_eq!(quote("a\"b\\c\nd"), r#""a\"b\\c\u000ad""#);
    }
}
