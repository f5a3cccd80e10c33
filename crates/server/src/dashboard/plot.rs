//! Plots of figures over time, as numbers for an SVG that the server draws.
//!
//! A plot is read in three ways: by eye, so its axes carry units and its lines differ by more than their colour; by ear,
//! so its description says in a sentence what the lines do; and as numbers, so there is a table of it. Where samples are
//! missing there is no line: a straight one would claim what nobody looked at.

mod scale;
mod spark;

use antiphon_core::time::UnixMillis;

use crate::dto::{FigureDto, FigureLineDto, FigurePointDto};
use crate::time;
use scale::Scale;
pub(super) use spark::Spark;

/// Width of a plot, in its own units.
pub(super) const WIDTH: f64 = 560.0;
/// Height of a plot, in its own units.
pub(super) const HEIGHT: f64 = 190.0;
/// Where the lines are: left, top, right and bottom edge.
const LEFT: f64 = 66.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = WIDTH - 14.0;
const BOTTOM: f64 = HEIGHT - 26.0;
/// Most lines of one plot: more cannot be told apart.
const LINES_MAX: usize = 6;
/// Rows of the table of a plot.
const ROWS: u64 = 12;

/// A plot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plot {
    /// Names it inside the page.
    pub(super) id: String,
    /// What it shows.
    pub(super) title: String,
    /// What its numbers are in.
    pub(super) unit: String,
    /// What it shows, in words.
    pub(super) words: String,
    /// The marks of the vertical axis, the lowest first.
    pub(super) levels: Vec<Mark>,
    /// The marks of the horizontal axis, the earliest first.
    pub(super) times: Vec<Mark>,
    /// The lines.
    pub(super) lines: Vec<Drawn>,
    /// How many lines were left out.
    pub(super) more: usize,
    /// The same as a table.
    pub(super) rows: Vec<Row>,
}

/// A mark at an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    /// Where, along the axis.
    pub(super) at: String,
    /// What is written there.
    pub(super) label: String,
}

/// A line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawn {
    /// Which of the looks of lines it has.
    pub(super) look: usize,
    /// Whose it is; empty where there is only one.
    pub(super) name: String,
    /// Its path.
    pub(super) path: String,
    /// Its newest value, with its unit.
    pub(super) now: String,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// The time at its end.
    pub(super) at: String,
    /// The last value of each line before that.
    pub(super) values: Vec<String>,
}

/// A point whose time was read.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    at: u64,
    value: f64,
    gap: bool,
}

/// The line of one name.
struct Line {
    name: String,
    points: Vec<Point>,
}

impl Plot {
    /// Draws a figure between two times. `None` where nothing is known of it.
    pub(super) fn of(figure: &FigureDto, since: UnixMillis, until: UnixMillis) -> Option<Self> {
        let mut lines: Vec<Line> = figure.lines.iter().map(Line::read).filter(|line| !line.points.is_empty()).collect();
        // The worst first: it is the one somebody looks for.
        lines.sort_by(|one, other| other.last().total_cmp(&one.last()).then_with(|| one.name.cmp(&other.name)));
        let more = lines.len().saturating_sub(LINES_MAX);
        lines.truncate(LINES_MAX);
        let values = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.value));
        let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
        let scale = Scale::of(low, high, &figure.unit);
        let levels = scale.steps().map(|step| Mark { at: written(height(step, &scale)), label: scale.label(step) });
        Some(Self {
            id: figure.metric.clone(),
            title: figure.what.clone(),
            unit: scale.unit().to_owned(),
            words: words(figure, &lines, &scale, (since, until)),
            levels: levels.collect(),
            times: marks(since, until),
            rows: rows(&lines, &scale, (since, until)),
            lines: drawn(&lines, &scale, (since, until)),
            more,
        })
    }
}

impl Line {
    fn read(line: &FigureLineDto) -> Self {
        let point = |point: &FigurePointDto| {
            let at = time::parse(&point.at)?.0;
            point.value.is_finite().then_some(Point { at, value: point.value, gap: point.gap })
        };
        let name = line.name.clone().filter(|name| !name.is_empty()).or_else(|| line.peer_id.clone());
        Self { name: name.unwrap_or_default(), points: line.points.iter().filter_map(point).collect() }
    }

    fn last(&self) -> f64 {
        self.points.last().map_or(0.0, |point| point.value)
    }
}

type Span = (UnixMillis, UnixMillis);

/// What somebody who does not see the plot should know of it.
fn words(figure: &FigureDto, lines: &[Line], scale: &Scale, span: Span) -> String {
    let one = |line: &Line| {
        let values = || line.points.iter().map(|point| point.value);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        let now = scale.value(line.last());
        let who = if line.name.is_empty() { String::new() } else { format!("{}: ", line.name) };
        if low.total_cmp(&high).is_eq() {
            return format!("{who}{now} all the time");
        }
        format!("{who}{now} now, between {} and {}", scale.value(low), scale.value(high))
    };
    let lines: Vec<String> = lines.iter().map(one).collect();
    let ago = time::age(span.1.0.saturating_sub(span.0.0));
    format!("{} over the last {ago}: {}.", figure.what, lines.join("; "))
}

fn drawn(lines: &[Line], scale: &Scale, span: Span) -> Vec<Drawn> {
    let draw = |(look, line): (usize, &Line)| Drawn {
        look,
        name: line.name.clone(),
        path: path(&line.points, scale, span),
        now: scale.value(line.last()),
    };
    lines.iter().enumerate().map(draw).collect()
}

/// A line with a break at every gap. Of points that fall on one unit of the width the highest is drawn, so that a peak
/// is seen however long the span is.
fn path(points: &[Point], scale: &Scale, span: Span) -> String {
    let mut path = String::new();
    let mut drawn: Option<(f64, Point)> = None;
    let mut begun = false;
    for point in points {
        let x = across(point.at, span);
        match &mut drawn {
            Some((at, kept)) if !point.gap && (x - *at).abs() < 1.0 => {
                kept.value = kept.value.max(point.value);
                continue;
            }
            Some((at, kept)) => begun = step(&mut path, *at, kept, scale, begun),
            None => {}
        }
        drawn = Some((x, *point));
    }
    if let Some((at, kept)) = drawn {
        step(&mut path, at, &kept, scale, begun);
    }
    path
}

/// Goes on to a point. One that stands alone becomes a dot, by the round ends of the line.
fn step(path: &mut String, x: f64, point: &Point, scale: &Scale, begun: bool) -> bool {
    let (x, y) = (written(x), written(height(point.value, scale)));
    if begun && !point.gap {
        path.push_str(&format!("L{x} {y}"));
    } else {
        path.push_str(&format!("M{x} {y}h0"));
    }
    true
}

/// The same as numbers: at the end of each of so many parts of the span.
fn rows(lines: &[Line], scale: &Scale, span: Span) -> Vec<Row> {
    let part = (span.1.0.saturating_sub(span.0.0) / ROWS).max(1);
    let row = |n: u64| {
        let (from, to) = (span.0.0 + n * part, span.0.0 + (n + 1) * part);
        let last = |line: &Line| {
            let point = line.points.iter().rev().find(|point| (from..=to).contains(&point.at));
            point.map_or_else(|| "–".to_owned(), |point| scale.value(point.value))
        };
        Row { at: time::rfc3339(UnixMillis(to)), values: lines.iter().map(last).collect() }
    };
    (0..ROWS).rev().map(row).collect()
}

/// The marks of the time axis: whole minutes, hours or days before now, since the server does not know the reader's
/// clock.
fn marks(since: UnixMillis, until: UnixMillis) -> Vec<Mark> {
    let span = until.0.saturating_sub(since.0).max(1);
    let minute = 60 * 1_000;
    let steps = [1, 5, 15, 60, 3 * 60, 6 * 60, 24 * 60].map(|minutes| minutes * minute);
    let step = steps.into_iter().find(|step| span / step <= 6).unwrap_or(24 * 60 * minute);
    let mark = |n: u64| {
        let ago = n * step;
        let label = if ago == 0 { "now".to_owned() } else { format!("−{}", time::age(ago)) };
        Mark { at: written(across(until.0.saturating_sub(ago), (since, until))), label }
    };
    (0..=span / step).rev().map(mark).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a place in a plot has four digits")]
fn across(at: u64, (since, until): Span) -> f64 {
    let part = at.saturating_sub(since.0) as f64 / until.0.saturating_sub(since.0).max(1) as f64;
    LEFT + part.clamp(0.0, 1.0) * (RIGHT - LEFT)
}

fn height(value: f64, scale: &Scale) -> f64 {
    BOTTOM - scale.part(value) * (BOTTOM - TOP)
}

fn written(place: f64) -> String {
    format!("{place:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;
    const HOUR: u64 = 3_600_000;

    /// How long ago a point was, its value, and whether a gap is before it.
    type Given = (u64, f64, bool);

    fn figure(unit: &str, lines: &[(&str, &[Given])]) -> FigureDto {
        let line = |(name, points): &(&str, &[Given])| FigureLineDto {
            name: (!name.is_empty()).then(|| (*name).to_owned()),
            peer_id: None,
            points: points
                .iter()
                .map(|(ago, value, gap)| FigurePointDto {
                    at: time::rfc3339(UnixMillis(NOW - ago)),
                    value: *value,
                    gap: *gap,
                })
                .collect(),
        };
        FigureDto {
            metric: "lag".into(),
            what: "Events".into(),
            unit: unit.into(),
            lines: lines.iter().map(line).collect(),
        }
    }

    fn plot(figure: &FigureDto) -> Option<Plot> {
        Plot::of(figure, UnixMillis(NOW - HOUR), UnixMillis(NOW))
    }

    #[test]
    fn a_line_breaks_where_samples_are_missing_and_a_lone_one_is_a_dot() {
        let points = [(HOUR, 0.0, false), (HOUR / 2, 10.0, false), (HOUR / 4, 5.0, true), (0, 10.0, false)];
        let plot = plot(&figure("count", &[("", &points)])).unwrap();
        assert_eq!(plot.lines[0].path, "M66.0 164.0h0L306.0 10.0M426.0 87.0h0L546.0 10.0");
        let shown: Vec<&str> = plot.levels.iter().map(|mark| mark.label.as_str()).collect();
        assert_eq!(shown, ["0", "2", "4", "6", "8", "10"]);
        let times: Vec<&str> = plot.times.iter().map(|mark| mark.label.as_str()).collect();
        assert_eq!(times, ["−1 h", "−45 min", "−30 min", "−15 min", "now"]);
        assert_eq!(plot.words, "Events over the last 1 h: 10 now, between 0 and 10.");
        assert_eq!((plot.rows.len(), plot.rows[0].values[0].as_str()), (12, "10"));
        assert_eq!(plot.rows[7].values[0], "–", "nobody looked then");
    }

    #[test]
    fn nothing_known_is_no_plot_and_what_never_changes_is_one() {
        assert_eq!(plot(&figure("count", &[])), None);
        assert_eq!(plot(&figure("count", &[("", &[])])), None);
        assert_eq!(plot(&figure("count", &[("", &[(0, f64::NAN, false)])])), None);
        let still = plot(&figure("bytes", &[("", &[(HOUR, 0.0, false), (0, 0.0, false)])])).unwrap();
        assert_eq!(still.words, "Events over the last 1 h: 0 B all the time.");
        assert!(!still.lines[0].path.contains("NaN"), "{}", still.lines[0].path);
    }

    #[test]
    fn the_worst_lines_are_drawn_and_the_rest_is_counted() {
        let points: Vec<[Given; 1]> = (0..9).map(|n| [(0, f64::from(n), false)]).collect();
        let names = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"];
        let lines: Vec<(&str, &[Given])> =
            names.iter().zip(&points).map(|(name, points)| (*name, points.as_slice())).collect();
        let plot = plot(&figure("count", &lines)).unwrap();
        assert_eq!((plot.lines.len(), plot.more, plot.lines[0].name.as_str()), (6, 3, "m8"));
        assert!(plot.lines.iter().enumerate().all(|(at, line)| line.look == at));
    }

    #[test]
    fn a_peak_between_two_pixels_is_seen() {
        let mut points: Vec<Given> = (0..3_600).rev().map(|s| (s * 1_000, 0.0, false)).collect();
        points[1_801].1 = 50.0;
        let plot = plot(&figure("count", &[("", &points)])).unwrap();
        assert!(plot.lines[0].path.contains(" 10.0L"), "{}", plot.lines[0].path);
        assert!(plot.lines[0].path.matches('L').count() <= 480);
    }
}
