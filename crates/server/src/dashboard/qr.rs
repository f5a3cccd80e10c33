//! A text as a QR code: the path of its dark squares, for an SVG that the page draws.

use qrcode::{Color, EcLevel, QrCode};

/// Light squares around a code, which cameras need.
const QUIET: usize = 4;

/// A QR code.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Qr {
    /// Squares along each side, with the quiet zone.
    pub(super) side: usize,
    /// The path of the dark ones.
    pub(super) path: String,
}

impl Qr {
    /// The code of a text; `None` where it is too long for one.
    pub(super) fn of(text: &str) -> Option<Self> {
        // A screen has no scratches: the least correction gives the largest squares.
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let width = code.width();
        let mut path = String::new();
        for (row, squares) in code.to_colors().chunks(width.max(1)).enumerate() {
            let mut column = 0;
            for run in squares.chunk_by(|one, next| one == next) {
                if run.first() == Some(&Color::Dark) {
                    path.push_str(&format!("M{} {}h{}v1h-{}z", column + QUIET, row + QUIET, run.len(), run.len()));
                }
                column += run.len();
            }
        }
        Some(Self { side: width + 2 * QUIET, path })
    }
}

// What it shows may be a secret.
impl std::fmt::Debug for Qr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Qr").field("side", &self.side).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_corners() {
        let qr = Qr::of("antiphon").unwrap();
        assert_eq!(qr.side, 21 + 8);
        for corner in ["M4 4h7v1h-7z", "M18 4h7v1h-7z", "M4 18h7v1h-7z"] {
            assert!(qr.path.contains(corner), "{corner}: {}", qr.path);
        }
        assert!(!format!("{qr:?}").contains("M4"));
    }

    #[test]
    fn a_text_that_is_too_long_has_no_code() {
        assert_eq!(Qr::of(&"x".repeat(4_000)), None);
    }
}
