//! A plot without axes: how a number came to be what it is, beside that number. Of several lines it shows at every time
//! the highest, which is the one that somebody looks for.

use std::collections::BTreeMap;

use antiphon_core::time::UnixMillis;

use crate::dto::FigureDto;
use crate::time;

/// Width of the picture, in its own units.
const WIDTH: f64 = 300.0;
/// Height of the picture, in its own units.
const HEIGHT: f64 = 64.0;
/// What is kept free above and below the line, in units of the picture.
const MARGIN: f64 = 3.0;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::dashboard) struct Spark {
    /// The line, broken where nobody looked.
    pub(in crate::dashboard) line: String,
    /// What lies between the line and zero.
    pub(in crate::dashboard) area: String,
    /// The highest value.
    pub(in crate::dashboard) peak: f64,
    /// The time that is drawn, for people.
    pub(in crate::dashboard) span: String,
}

impl Spark {
    /// Draws a figure between two times. `None` where there are not two points to connect.
    pub(in crate::dashboard) fn of(figure: &FigureDto, since: UnixMillis, until: UnixMillis) -> Option<Self> {
        let pieces = pieces(figure);
        let values = || pieces.iter().flatten();
        let peak = values().map(|(_, value)| *value).reduce(f64::max)?;
        let first = values().map(|(at, _)| *at).min()?.max(since.0);
        if pieces.iter().all(|piece| piece.len() < 2) || first >= until.0 {
            return None;
        }
        let place = |(at, value): &(u64, f64)| (across(*at, first, until.0), height(*value, peak));
        let (mut line, mut area) = (String::new(), String::new());
        for piece in pieces.iter().filter(|piece| piece.len() > 1) {
            let points: Vec<(f64, f64)> = piece.iter().map(place).collect();
            let drawn: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            let drawn = drawn.join("L");
            line.push_str(&format!("M{drawn}"));
            if let [(from, _), .., (to, _)] = points[..] {
                area.push_str(&format!("M{from:.1} {HEIGHT}L{drawn}L{to:.1} {HEIGHT}Z"));
            }
        }
        Some(Self { line, area, peak, span: time::age(until.0.saturating_sub(first)) })
    }
}

/// The highest value at every time, cut where samples are missing. The lines of one figure are looked at together, so
/// one of them without a gap means that somebody looked.
fn pieces(figure: &FigureDto) -> Vec<Vec<(u64, f64)>> {
    let mut highest: BTreeMap<u64, (f64, bool)> = BTreeMap::new();
    for point in figure.lines.iter().flat_map(|line| &line.points) {
        let Some(at) = time::parse(&point.at).filter(|_| point.value.is_finite()) else { continue };
        let (value, gap) = highest.entry(at.0).or_insert((point.value, point.gap));
        (*value, *gap) = (value.max(point.value), *gap && point.gap);
    }
    let mut pieces: Vec<Vec<(u64, f64)>> = Vec::new();
    for (at, (value, gap)) in highest {
        match pieces.last_mut().filter(|_| !gap) {
            Some(piece) => piece.push((at, value)),
            None => pieces.push(vec![(at, value)]),
        }
    }
    pieces
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture has four digits")]
fn across(at: u64, first: u64, last: u64) -> f64 {
    let part = at.saturating_sub(first) as f64 / last.saturating_sub(first).max(1) as f64;
    part.clamp(0.0, 1.0) * WIDTH
}

fn height(value: f64, peak: f64) -> f64 {
    let part = if peak > 0.0 { (value / peak).clamp(0.0, 1.0) } else { 0.0 };
    HEIGHT - MARGIN - part * (HEIGHT - 2.0 * MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dto::{FigureLineDto, FigurePointDto};

    const NOW: u64 = 1_700_000_000_000;

    fn spark(lines: &[&[(u64, f64, bool)]]) -> Option<Spark> {
        let point = |(ago, value, gap): &(u64, f64, bool)| FigurePointDto {
            at: time::rfc3339(UnixMillis(NOW - ago)),
            value: *value,
            gap: *gap,
        };
        let line = |points: &&[(u64, f64, bool)]| FigureLineDto {
            points: points.iter().map(point).collect(),
            ..FigureLineDto::default()
        };
        let figure = FigureDto { lines: lines.iter().map(line).collect(), ..FigureDto::default() };
        Spark::of(&figure, UnixMillis(NOW - 3_600_000), UnixMillis(NOW))
    }

    #[test]
    fn the_member_that_is_furthest_behind_is_drawn() {
        let alice = [(20_000, 4.0, false), (10_000, 0.0, false), (0, 0.0, false)];
        let bob = [(20_000, 0.0, false), (10_000, 2.0, false), (0, 0.0, false)];
        let spark = spark(&[&alice, &bob]).unwrap();
        assert_eq!(spark.line, "M0.0 3.0L150.0 32.0L300.0 61.0");
        assert_eq!(spark.area, "M0.0 64L0.0 3.0L150.0 32.0L300.0 61.0L300.0 64Z");
        assert_eq!((spark.peak, spark.span.as_str()), (4.0, time::age(20_000).as_str()));
    }

    #[test]
    fn nothing_is_drawn_where_nobody_looked() {
        assert_eq!(spark(&[]), None);
        assert_eq!(spark(&[&[(0, 1.0, false)]]), None, "a point is no line");
        let broken = [(30_000, 0.0, false), (20_000, 0.0, false), (10_000, 9.0, true), (0, 0.0, false)];
        let line = spark(&[&broken]).unwrap().line;
        assert_eq!(line.matches('M').count(), 2, "{line}");
        let still = spark(&[&[(10_000, 0.0, false), (0, 0.0, false)]]).unwrap().line;
        assert_eq!(still, "M0.0 61.0L300.0 61.0");
    }
}
