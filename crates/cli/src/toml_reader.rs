//! Reads TOML with the places of everything, so that what is wrong can be told with its line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::outcome::{Code, Problem};

/// How alike two names must be for one to be proposed for the other, from 0 to 1.
const ALIKE_MIN: f32 = 0.55;

/// A file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    name: &'a str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, name: &'a str) -> Self {
        Self { text, name }
    }

    /// # Errors
    /// Where it is no TOML.
    pub(crate) fn document(&self) -> Result<Spanned<DeTable<'a>>, Problem> {
        DeTable::parse(self.text).map_err(|error| {
            let what = error.message().lines().collect::<Vec<_>>().join(", ");
            self.wrong(error.span().unwrap_or_default(), &what, "the file is written in TOML: toml.io shows how")
        })
    }

    fn wrong(&self, at: Range<usize>, what: &str, hint: &str) -> Problem {
        let line = self.line(at.start);
        Problem::new(Code::Invalid, format!("{}:{line}: {what}", self.name)).hint(hint)
    }

    /// The line of a place, from 1.
    fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
    }
}

/// A table whose keys are all known.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    reader: &'a Reader<'a>,
    table: &'a DeTable<'a>,
    place: String,
}

impl<'a> Table<'a> {
    /// # Errors
    /// When there is a key that is not among `known`, with the name that is most like it.
    pub(crate) fn new(
        reader: &'a Reader<'a>,
        table: &'a DeTable<'a>,
        place: &str,
        known: &[&str],
    ) -> Result<Self, Problem> {
        let prefix = if place.is_empty() { String::new() } else { format!("{place}.") };
        if let Some((key, _)) = table.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
            let name: String = key.get_ref().chars().take(60).collect();
            let hint = match nearest(&name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it may have {}", known.join(", ")),
            };
            return Err(reader.wrong(key.span(), &format!("{prefix}{name} is not known"), &hint));
        }
        Ok(Self { reader, table, place: prefix })
    }

    /// What stands under a key.
    pub(crate) fn get(&self, key: &str) -> Option<Entry<'a>> {
        let (_, value) = self.table.iter().find(|(known, _)| known.get_ref() == key)?;
        Some(Entry { reader: self.reader, value, at: value.span(), place: format!("{}{key}", self.place) })
    }
}

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    reader: &'a Reader<'a>,
    value: &'a Spanned<DeValue<'a>>,
    at: Range<usize>,
    place: String,
}

impl<'a> Entry<'a> {
    /// A problem with this value.
    pub(crate) fn wrong(&self, what: &str, hint: &str) -> Problem {
        self.reader.wrong(self.at.clone(), &format!("{}: {what}", self.place), hint)
    }

    /// Its line, from 1.
    pub(crate) fn line(&self) -> usize {
        self.reader.line(self.at.start)
    }

    /// Whether it is a text.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::String(_))
    }

    /// # Errors
    /// When it is no text.
    pub(crate) fn text(&self) -> Result<&'a str, Problem> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref()),
            _ => Err(self.wrong("this must be a text", "write it in quotes")),
        }
    }

    /// # Errors
    /// When it is no whole number between `least` and `most`.
    pub(crate) fn number(&self, least: u64, most: u64) -> Result<u64, Problem> {
        let number = match self.value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.wrong("this must be a whole number", &format!("it goes from {least} to {most}")))
    }

    /// # Errors
    /// When it is neither true nor false.
    pub(crate) fn flag(&self) -> Result<bool, Problem> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.wrong("this must be true or false", "write it without quotes")),
        }
    }

    /// # Errors
    /// When it is no list.
    pub(crate) fn list(&self) -> Result<Vec<Self>, Problem> {
        let DeValue::Array(values) = self.value.get_ref() else {
            return Err(self.wrong("this must be a list", "write it in brackets: [\"…\"], or [[genes]] for tables"));
        };
        let entry = |value: &'a Spanned<DeValue<'a>>| Self {
            reader: self.reader,
            value,
            at: value.span(),
            place: self.place.clone(),
        };
        Ok(values.iter().map(entry).collect())
    }

    /// # Errors
    /// When it is no table, or has a key that is not among `known`.
    pub(crate) fn table(&self, known: &[&str]) -> Result<Table<'a>, Problem> {
        Table::new(self.reader, self.tables()?, &self.place, known)
    }

    /// What stands under every key, whichever it is, with the key. Its place is the key's.
    ///
    /// # Errors
    /// When it is no table.
    pub(crate) fn entries(&self) -> Result<Vec<(Self, &'a str)>, Problem> {
        let entry = |(key, value): (&'a Spanned<toml::de::DeString<'a>>, &'a Spanned<DeValue<'a>>)| {
            let name = key.get_ref().as_ref();
            (Self { reader: self.reader, value, at: key.span(), place: format!("{}.{name}", self.place) }, name)
        };
        Ok(self.tables()?.iter().map(entry).collect())
    }

    fn tables(&self) -> Result<&'a DeTable<'a>, Problem> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong("this must be a table", &format!("write [{}] and its keys below", self.place))),
        }
    }
}

/// The name that is most like `name`, if one is.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.collect();
    let starts = known.iter().find(|known| name.len() > 2 && known.starts_with(name)).copied();
    starts.or_else(|| similar::get_close_matches(name, &known, 1, ALIKE_MIN).first().copied())
}
