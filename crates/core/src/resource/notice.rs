//! What members tell each other about a resource besides the entry itself: that it is gone, whether it stands, when it
//! can be used, and who means to use it. Nothing here decides who gets it; that is for people and agents to agree.

use std::collections::BTreeSet;

use minicbor::{Decoder, Encoder};

use super::wire::{fit, key, read_fields, read_id, read_stamp, write_stamp, write_text};
use super::{Error, PER_OWNER_MAX, SCHEMA, Stamp};
use crate::cbor;
use crate::fact::check_label;
use crate::ids::ResourceId;
use crate::time::{HLC_MILLIS_MAX, UnixMillis};

/// Most windows of one plan.
pub const WINDOWS_MAX: usize = 64;
/// Longest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 256;

/// The end of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// Which.
    pub id: ResourceId,
    /// The stamp that follows the entry's last one.
    pub stamp: Stamp,
}

/// What a catalogue consists of, when it is told as a whole: whatever is older and not in it is gone.
///
/// Whoever lost its database no longer knows what it once offered, and whoever was restored from an older copy holds
/// what was taken away since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// When it was so, by its owner's clock.
    pub at: UnixMillis,
    /// Every entry, at most [`PER_OWNER_MAX`].
    pub ids: BTreeSet<ResourceId>,
}

/// The question whether a resource is there, to its owner, and the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Is it?
    Ask {
        /// Which.
        id: ResourceId,
    },
    /// What the owner's catalogue says.
    Answer {
        /// Which.
        id: ResourceId,
        /// The stamp of the entry, if there is one.
        held: Option<Stamp>,
    },
}

/// A time in which a resource can be used, from the beginning until just before the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// When it begins.
    pub from: UnixMillis,
    /// When it ends.
    pub until: UnixMillis,
    /// How much of it there is, in words.
    pub note: Option<String>,
}

/// When a resource can be used: takes the place of what its owner said before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which.
    pub id: ResourceId,
    /// When it was made; a later one counts.
    pub at: UnixMillis,
    /// In the order in which they begin.
    pub windows: Vec<Window>,
}

/// The acknowledgement of a planned use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consider {
    /// Which.
    pub id: ResourceId,
    /// When it was said; a later one about the same time counts.
    pub at: UnixMillis,
    /// When the use begins.
    pub from: UnixMillis,
    /// When it ends.
    pub until: UnixMillis,
    /// Yes or no.
    pub yes: bool,
    /// What else there is to say.
    pub note: Option<String>,
}

fn check_span(from: UnixMillis, until: UnixMillis) -> Result<(), Error> {
    if until.0 > HLC_MILLIS_MAX {
        return Err(Error::Time);
    }
    if from >= until { Err(Error::Window { from: from.0, until: until.0 }) } else { Ok(()) }
}

fn check_note(note: Option<&str>) -> Result<(), Error> {
    Ok(note.map_or(Ok(()), |note| check_label("the note", note, NOTE_BYTES_MAX))?)
}

fn check_time(at: UnixMillis) -> Result<(), Error> {
    if at.0 > HLC_MILLIS_MAX { Err(Error::Time) } else { Ok(()) }
}

impl Removal {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::map(out, 2);
            cbor::uint(out, 0);
            cbor::bytes(out, &self.id.0);
            cbor::uint(out, 1);
            write_stamp(out, self.stamp);
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit; so for all that follow.
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| {
            read_fields(input, 2)?;
            Ok(Self { id: read_id(key(input, 0)?)?, stamp: read_stamp(key(input, 1)?)? })
        })
    }
}

impl Whole {
    /// Version of its form: it goes as the end of entries, of which it names those that stay.
    pub const SCHEMA: u16 = SCHEMA + 1;

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::map(out, 2);
            cbor::uint(out, 0);
            cbor::uint(out, self.at.0);
            cbor::uint(out, 1);
            cbor::array(out, self.ids.len());
            self.ids.iter().for_each(|id| cbor::bytes(out, &id.0));
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit.
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| {
            read_fields(input, 2)?;
            let at = UnixMillis(key(input, 0)?.u64()?);
            let mut ids = BTreeSet::new();
            for _ in 0..cbor::read_list(key(input, 1)?, PER_OWNER_MAX)? {
                let id = read_id(input)?;
                if ids.last().is_some_and(|last| *last >= id) {
                    return Err(cbor::Error::Value("the entries of a catalogue ascend"));
                }
                ids.insert(id);
            }
            fit(Self { at, ids }, check_time(at))
        })
    }
}

impl Verify {
    /// The canonical bytes: of the question a map of one, of the answer a map of two.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| match self {
            Self::Ask { id } => {
                cbor::map(out, 1);
                cbor::uint(out, 0);
                cbor::bytes(out, &id.0);
            }
            Self::Answer { id, held } => {
                cbor::map(out, 2);
                cbor::uint(out, 0);
                cbor::bytes(out, &id.0);
                cbor::uint(out, 1);
                match held {
                    Some(stamp) => write_stamp(out, *stamp),
                    None => cbor::null(out),
                }
            }
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit.
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| match cbor::read_map(input, 2)? {
            1 => Ok(Self::Ask { id: read_id(key(input, 0)?)? }),
            2 => {
                let id = read_id(key(input, 0)?)?;
                Ok(Self::Answer { id, held: cbor::read_option(key(input, 1)?, read_stamp)? })
            }
            _ => Err(cbor::Error::Value("neither a question nor an answer")),
        })
    }
}

impl Window {
    fn write(&self, out: &mut Encoder<&mut Vec<u8>>) {
        cbor::array(out, 3);
        cbor::uint(out, self.from.0);
        cbor::uint(out, self.until.0);
        write_text(out, self.note.as_deref());
    }

    fn read(input: &mut Decoder<'_>) -> Result<Self, cbor::Error> {
        if cbor::read_list(input, 3)? != 3 {
            return Err(cbor::Error::Value("a window has three parts"));
        }
        let (from, until) = (UnixMillis(input.u64()?), UnixMillis(input.u64()?));
        Ok(Self { from, until, note: read_note(input)? })
    }
}

fn read_note(input: &mut Decoder<'_>) -> Result<Option<String>, cbor::Error> {
    cbor::read_option(input, |input| cbor::read_text(input, NOTE_BYTES_MAX))
}

impl Plan {
    /// Puts the windows into their order.
    #[must_use]
    pub fn new(id: ResourceId, at: UnixMillis, mut windows: Vec<Window>) -> Self {
        windows.sort_by_key(|window| (window.from, window.until));
        Self { id, at, windows }
    }

    /// Checks every window.
    ///
    /// # Errors
    /// [`Error`] with what is unfit.
    pub fn check(&self) -> Result<(), Error> {
        if self.windows.len() > WINDOWS_MAX {
            return Err(Error::Windows(self.windows.len()));
        }
        for window in &self.windows {
            check_span(window.from, window.until)?;
            check_note(window.note.as_deref())?;
        }
        check_time(self.at)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::map(out, 3);
            cbor::uint(out, 0);
            cbor::bytes(out, &self.id.0);
            cbor::uint(out, 1);
            cbor::uint(out, self.at.0);
            cbor::uint(out, 2);
            cbor::array(out, self.windows.len());
            self.windows.iter().for_each(|window| window.write(out));
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit.
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| {
            read_fields(input, 3)?;
            let (id, at) = (read_id(key(input, 0)?)?, UnixMillis(key(input, 1)?.u64()?));
            let count = cbor::read_list(key(input, 2)?, WINDOWS_MAX)?;
            let windows = (0..count).map(|_| Window::read(input)).collect::<Result<Vec<_>, _>>()?;
            if !windows.is_sorted_by_key(|window| (window.from, window.until)) {
                return Err(cbor::Error::Value("the windows of a plan ascend"));
            }
            let plan = Self { id, at, windows };
            let checked = plan.check();
            fit(plan, checked)
        })
    }
}

impl Consider {
    /// Checks the time and the note.
    ///
    /// # Errors
    /// [`Error`] with what is unfit.
    pub fn check(&self) -> Result<(), Error> {
        check_span(self.from, self.until)?;
        check_note(self.note.as_deref())?;
        check_time(self.at)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::map(out, 6);
            cbor::uint(out, 0);
            cbor::bytes(out, &self.id.0);
            cbor::uint(out, 1);
            cbor::uint(out, self.at.0);
            cbor::uint(out, 2);
            cbor::uint(out, self.from.0);
            cbor::uint(out, 3);
            cbor::uint(out, self.until.0);
            cbor::uint(out, 4);
            cbor::bool(out, self.yes);
            cbor::uint(out, 5);
            write_text(out, self.note.as_deref());
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit.
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| {
            read_fields(input, 6)?;
            let consider = Self {
                id: read_id(key(input, 0)?)?,
                at: UnixMillis(key(input, 1)?.u64()?),
                from: UnixMillis(key(input, 2)?.u64()?),
                until: UnixMillis(key(input, 3)?.u64()?),
                yes: key(input, 4)?.bool()?,
                note: read_note(key(input, 5)?)?,
            };
            let checked = consider.check();
            fit(consider, checked)
        })
    }
}
