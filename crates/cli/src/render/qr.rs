//! QR codes in a terminal, two modules to a character.
//!
//! Cameras want dark modules on a light ground with a light margin around them, and a terminal may be either way round.
//! Where colours are shown the code brings its own: black on white, whatever the theme. Without colours a character
//! can only be ink or ground, so the person says which of the two is the light one.

use clap::builder::styling::{Ansi256Color, Color as Paint, Style};
use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code that the standard (ISO/IEC 18004) asks for.
const QUIET_MODULES: usize = 4;

/// Longest text that fits a QR code in letters of one case and digits, at the lowest error correction.
pub(crate) const TEXT_CHARS_MAX: usize = 4_296;

/// Black on white out of the fixed part of the palette, which themes leave alone.
const PAPER: Style =
    Style::new().fg_color(Some(Paint::Ansi256(Ansi256Color(16)))).bg_color(Some(Paint::Ansi256(Ansi256Color(231))));

/// How dark is told from light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// The code sets both colours.
    Coloured,
    /// No colours; characters are light and the ground is dark.
    Light,
    /// No colours; characters are dark and the ground is light.
    Dark,
}

impl Ink {
    /// Whether a module of this colour is drawn rather than left out.
    fn draws(self, is_dark: bool) -> bool {
        is_dark == (self != Self::Light)
    }
}

/// Why there is no code, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    /// No QR code is large enough.
    #[error("The ticket is too long for a QR code: {got} characters, the limit is {TEXT_CHARS_MAX}.")]
    Text {
        /// Characters that were given.
        got: usize,
    },
    /// The terminal would break its lines.
    #[error("The QR code needs {wanted} columns and this terminal has {columns}: make it wider and invite again.")]
    Columns {
        /// Columns that the code takes with its margin.
        wanted: usize,
        /// Columns that there are.
        columns: usize,
    },
}

/// The text as a QR code that is no wider than the terminal.
///
/// Letters are encoded as capitals, which takes a third less room than both cases; whoever reads the code has to
/// take them for small ones.
pub(crate) fn draw(text: &str, ink: Ink, columns: Option<usize>) -> Result<String, Unfit> {
    let text = text.to_ascii_uppercase();
    // A ticket in a terminal is neither torn nor stained: the lowest correction gives the largest modules.
    let code = QrCode::with_error_correction_level(&text, EcLevel::L).map_err(|_| Unfit::Text { got: text.len() })?;
    let wanted = code.width() + 2 * QUIET_MODULES;
    if let Some(columns) = columns.filter(|columns| *columns < wanted) {
        return Err(Unfit::Columns { wanted, columns });
    }
    let row = |row| (0..wanted).map(|column| half_blocks(&code, ink, column, row)).collect::<String>();
    let rows = (0..wanted.div_ceil(2)).map(row);
    let paint = |row: String| if ink == Ink::Coloured { format!("{PAPER}{row}{PAPER:#}\n") } else { row + "\n" };
    Ok(rows.map(paint).collect())
}

/// The character for two modules, one above the other.
fn half_blocks(code: &QrCode, ink: Ink, column: usize, row: usize) -> char {
    let drawn = |y| ink.draws(is_dark(code, column, y));
    match (drawn(2 * row), drawn(2 * row + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

/// Whether a module is dark; places count from the corner of the margin, and all around the code is light.
fn is_dark(code: &QrCode, x: usize, y: usize) -> bool {
    let inside = |at: usize| at.checked_sub(QUIET_MODULES).filter(|at| *at < code.width());
    inside(x).zip(inside(y)).is_some_and(|place| code[place] == Color::Dark)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels per module in the picture that the reader gets.
    const SCALE: usize = 4;

    fn ticket(body_chars: usize) -> String {
        let body = (0..body_chars).map(|at| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[at * 7 % 32]));
        "antiphon1".chars().chain(body).collect()
    }

    /// What a camera reads from the drawing, if `ground` is dark or not.
    fn read(drawing: &str, dark_ground: bool) -> Option<String> {
        let rows: Vec<Vec<char>> = drawing.lines().map(|line| line.chars().collect()).collect();
        let is_dark = |x: usize, y: usize| {
            let (upper, character) = (y.is_multiple_of(2), rows[y / 2][x]);
            let drawn = match character {
                '█' => true,
                '▀' => upper,
                '▄' => !upper,
                ' ' => false,
                other => panic!("{other:?} in a QR code"),
            };
            drawn != dark_ground
        };
        let (width, height) = (rows[0].len() * SCALE, rows.len() * 2 * SCALE);
        let mut picture = rqrr::PreparedImage::prepare_from_bitmap(width, height, |x, y| is_dark(x / SCALE, y / SCALE));
        picture.detect_grids().first().and_then(|grid| grid.decode().ok()).map(|(_, text)| text)
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_camera_reads_the_ticket_whatever_the_ground() {
        for length in [1, 60, 300, 640, 1_500] {
            let ticket = ticket(length);
            let wanted = Some(ticket.to_uppercase());
            assert_eq!(read(&draw(&ticket, Ink::Light, None).unwrap(), true), wanted, "{length}");
            assert_eq!(read(&draw(&ticket, Ink::Dark, None).unwrap(), false), wanted, "{length}");
            assert_eq!(read(&plain(&draw(&ticket, Ink::Coloured, None).unwrap()), false), wanted, "{length}");
        }
    }

    #[test]
    fn every_line_brings_its_own_black_and_white_and_gives_them_back() {
        let drawing = draw(&ticket(300), Ink::Coloured, None).unwrap();
        for line in drawing.lines() {
            assert!(line.starts_with("\u{1b}[38;5;16m\u{1b}[48;5;231m") && line.ends_with("\u{1b}[0m"), "{line:?}");
        }
    }

    #[test]
    fn the_margin_is_light_on_all_sides() {
        let drawing = draw(&ticket(300), Ink::Light, None).unwrap();
        let rows: Vec<&str> = drawing.lines().collect();
        let margin = "█".repeat(QUIET_MODULES);
        assert!(rows.iter().all(|row| row.starts_with(&margin) && row.ends_with(&margin)));
        let light = |row: &str| row.chars().all(|character| character == '█');
        assert!(rows[..QUIET_MODULES / 2].iter().all(|row| light(row)));
        assert!(rows[rows.len() - QUIET_MODULES / 2..].iter().all(|row| light(row)));
    }

    #[test]
    fn a_code_that_does_not_fit_says_so_in_words() {
        let drawn = draw(&ticket(TEXT_CHARS_MAX - 9), Ink::Light, None).unwrap();
        assert_eq!(drawn.lines().next().unwrap().chars().count(), 177 + 2 * QUIET_MODULES);
        let error = draw(&ticket(TEXT_CHARS_MAX - 8), Ink::Light, None).unwrap_err();
        assert_eq!(error.to_string(), "The ticket is too long for a QR code: 4297 characters, the limit is 4296.");
        // 619 characters are what fits the code that is 69 modules wide.
        let error = draw(&ticket(610), Ink::Light, Some(76)).unwrap_err();
        assert_eq!(error, Unfit::Columns { wanted: 77, columns: 76 });
        assert!(draw(&ticket(610), Ink::Light, Some(77)).is_ok());
    }
}
