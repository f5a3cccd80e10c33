//! Facts on their way from the node into files of the user.

mod markdown;
mod part;

use std::io::{self, Write};
use std::path::Path;

use antiphon_server::dto::{ExportBeginDto, ExportEndDto, ExportLineDto};
use antiphon_server::export;

use crate::outcome::{Problem, file_problem};
use markdown::Spool;
use part::PartFile;

/// How a line of a fact begins, as the node writes it; it need not be read to be passed on.
const FACT_LINE: &[u8] = b"{\"type\":\"fact\"";

/// Where an export goes.
pub(crate) enum Sink {
    /// Lines of JSON, as they come, to stdout.
    Stdout(io::BufWriter<io::Stdout>),
    /// Lines of JSON into a file.
    Lines(PartFile),
    /// Markdown, into a file, a directory or to stdout.
    Markdown(Spool),
}

/// An export as it comes.
pub(crate) struct Export {
    sink: Sink,
    /// Its first line, once it came.
    pub(crate) begin: Option<ExportBeginDto>,
    /// Its last line, once it came.
    pub(crate) end: Option<ExportEndDto>,
    /// Bytes that were written.
    pub(crate) bytes: u64,
}

impl Export {
    /// Lines of JSON into a file, or to stdout.
    ///
    /// # Errors
    /// A problem when the file cannot be written.
    pub(crate) fn lines(path: Option<&Path>) -> Result<Self, Problem> {
        let sink = match path {
            None => Sink::Stdout(io::BufWriter::new(io::stdout())),
            Some(path) => Sink::Lines(PartFile::create(path)?),
        };
        Ok(Self { sink, begin: None, end: None, bytes: 0 })
    }

    /// Markdown into a file (`*.md`), into a new directory, or to stdout.
    ///
    /// # Errors
    /// A problem when it cannot be written there.
    pub(crate) fn markdown(path: Option<&Path>) -> Result<Self, Problem> {
        Ok(Self { sink: Sink::Markdown(Spool::begin(path)?), begin: None, end: None, bytes: 0 })
    }

    /// Takes a line of the node; returns how many facts it was.
    ///
    /// # Errors
    /// When it cannot be written, or is no line of an export.
    pub(crate) fn take(&mut self, line: &[u8]) -> io::Result<u64> {
        let passes = !matches!(self.sink, Sink::Markdown(_));
        if passes && line.starts_with(FACT_LINE) {
            self.pass(line)?;
            return Ok(1);
        }
        let read = export::line(line).map_err(io::Error::other)?;
        if passes {
            self.pass(line)?;
        }
        match (read, &mut self.sink) {
            (ExportLineDto::Fact(fact), Sink::Markdown(spool)) => spool.take(&fact)?,
            (ExportLineDto::Fact(_), _) => {}
            (ExportLineDto::Begin(begin), sink) => {
                if let Sink::Markdown(spool) = sink {
                    spool.team(&begin.team);
                }
                self.begin = Some(begin);
                return Ok(0);
            }
            (ExportLineDto::End(end), _) => {
                self.end = Some(end);
                return Ok(0);
            }
        }
        Ok(1)
    }

    fn pass(&mut self, line: &[u8]) -> io::Result<()> {
        let out: &mut dyn Write = match &mut self.sink {
            Sink::Stdout(out) => out,
            Sink::Lines(part) => part,
            Sink::Markdown(_) => return Ok(()),
        };
        out.write_all(line)?;
        out.write_all(b"\n")?;
        self.bytes += line.len() as u64 + 1;
        Ok(())
    }

    /// Puts what was written under its name; returns how many files there are and the bytes of all.
    ///
    /// # Errors
    /// A problem when it cannot be written; then nothing is left.
    pub(crate) fn finish(self) -> Result<(u64, u64), Problem> {
        match self.sink {
            Sink::Stdout(mut out) => {
                out.flush().map_err(|error| file_problem("write", Path::new("stdout"), &error))?;
                Ok((0, self.bytes))
            }
            Sink::Lines(part) => part.finish().map(|()| (1, self.bytes)),
            Sink::Markdown(spool) => spool.finish(),
        }
    }
}
