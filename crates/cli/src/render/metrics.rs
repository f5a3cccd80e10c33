//! Figures over time, as they are shown.

use antiphon_server::dto::{FigureDto, FigureLineDto, FigurePointDto, FiguresDto};
use antiphon_server::time;

use super::time::minute;
use super::{safe, table};
use crate::output::{FAINT, styled};
use crate::size;

/// How many pieces the time is cut into for a line of blocks.
const CELLS: usize = 30;
/// Most values of one figure that are listed.
const VALUES_MAX: usize = 30;
/// What stands for a value, from the least to the most.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Every figure on a line.
pub(crate) fn all(figures: &FiguresDto) -> String {
    let span = time::parse(&figures.since).zip(time::parse(&figures.until)).map(|(since, until)| (since.0, until.0));
    let mut rows = Vec::new();
    for figure in &figures.metrics {
        for line in &figure.lines {
            rows.extend(row(figure, line, span));
        }
    }
    if rows.is_empty() {
        return "Nothing is known yet: the node looks at its figures every ten seconds.".to_owned();
    }
    let list = table(&["figure", "now", "least", "most", "over time", "what"], rows);
    let since = format!("Since {}; the values of one: antiphon metrics FIGURE", minute(&figures.since));
    format!("{list}\n\n{}\n", styled(FAINT, &since))
}

fn row(figure: &FigureDto, line: &FigureLineDto, span: Option<(u64, u64)>) -> Option<Vec<String>> {
    let last = line.points.last()?;
    let values = || line.points.iter().map(|point| point.value);
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let shown = |value| shown(value, &figure.unit);
    let blocks = span.map(|span| blocks(&line.points, span, (least, most))).unwrap_or_default();
    let what = match &line.name {
        Some(name) => format!("{}: {}", safe(&figure.what), safe(name)),
        None => safe(&figure.what),
    };
    Some(vec![safe(&figure.metric), shown(last.value), shown(least), shown(most), blocks, what])
}

/// The last value in each piece of the time; a blank where nobody looked.
fn blocks(points: &[FigurePointDto], (since, until): (u64, u64), (least, most): (f64, f64)) -> String {
    let mut cells = [None; CELLS];
    let width = until.saturating_sub(since).max(1);
    for point in points {
        let Some(at) = time::parse(&point.at) else { continue };
        let piece = u128::from(at.0.saturating_sub(since)) * CELLS as u128 / u128::from(width);
        let piece = usize::try_from(piece).unwrap_or(CELLS).min(CELLS - 1);
        cells[piece] = Some(point.value);
    }
    cells.into_iter().map(|value| value.map_or(' ', |value| block(value, least, most))).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the share is between 0 and 7")]
fn block(value: f64, least: f64, most: f64) -> char {
    let share = if most > least { (value - least) / (most - least) } else { 0.0 };
    BLOCKS[((share * 7.0).round() as usize).min(BLOCKS.len() - 1)]
}

/// The values of one figure.
pub(crate) fn one(figure: &FigureDto) -> String {
    let mut out = format!("{}\n", safe(&figure.what));
    if figure.lines.iter().all(|line| line.points.is_empty()) {
        out.push_str("\nNothing is known of it for this time.\n");
    }
    for line in figure.lines.iter().filter(|line| !line.points.is_empty()) {
        if let Some(name) = &line.name {
            out.push_str(&format!("\n{}\n", safe(name)));
        }
        // The newest is always among them.
        let step = line.points.len().div_ceil(VALUES_MAX);
        let mut chosen: Vec<&FigurePointDto> = line.points.iter().rev().step_by(step).collect();
        chosen.reverse();
        let rows = chosen.into_iter().map(|point| vec![second(&point.at), shown(point.value, &figure.unit)]);
        out.push_str(&format!("\n{}\n", table(&["when", "value"], rows)));
        if step > 1 {
            let note = format!("One of every {step} values; --json has all of them.");
            out.push_str(&format!("{}\n", styled(FAINT, &note)));
        }
    }
    out
}

/// The point in time to the second.
fn second(at: &str) -> String {
    let Some(read) = time::parse(at) else { return safe(at) };
    let written = time::rfc3339(read);
    written.get(..19).map_or_else(|| written.clone(), |text| format!("{} UTC", text.replace('T', " ")))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures are not negative")]
fn shown(value: f64, unit: &str) -> String {
    match unit {
        "bytes" => size::shown(value.max(0.0).round() as u64),
        "per_minute" => format!("{value:.1}/min"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> FiguresDto {
        let point = |at: &str, value| FigurePointDto { at: format!("2026-03-01T12:{at}Z"), value, gap: false };
        let points = vec![point("00:10.000", 10.0), point("30:00.000", 14.0), point("59:59.000", 17.0)];
        let line = FigureLineDto { points, ..FigureLineDto::default() };
        let named = FigureLineDto { name: Some("bo\u{1b}b".into()), ..line.clone() };
        let figure = |metric: &str, unit: &str, lines| FigureDto {
            metric: metric.into(),
            what: "What it is".into(),
            unit: unit.into(),
            lines,
        };
        FiguresDto {
            since: "2026-03-01T12:00:00Z".into(),
            until: "2026-03-01T13:00:00Z".into(),
            metrics: vec![
                figure("facts", "count", vec![line]),
                figure("lag", "bytes", vec![named]),
                figure("memory", "bytes", Vec::new()),
            ],
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn every_figure_has_a_line_from_the_least_to_the_most() {
        let shown = plain(&all(&figures()));
        let facts = shown.lines().find(|line| line.starts_with("facts")).unwrap();
        assert_eq!(facts.split_whitespace().take(4).collect::<Vec<_>>(), ["facts", "17", "10", "17"], "{facts}");
        assert!(facts.contains(&format!("▁{}▅{}█", " ".repeat(14), " ".repeat(13))), "{facts}");
        assert!(shown.contains("10 bytes") && shown.contains("What it is: bo\\u{001B}b"), "{shown}");
        assert!(!shown.contains("memory"), "{shown}");
        assert!(all(&FiguresDto::default()).contains("every ten seconds"));
    }

    #[test]
    fn one_figure_is_a_list_of_its_values() {
        let mut figure = figures().metrics.remove(0);
        let shown = plain(&one(&figure));
        assert!(shown.contains("2026-03-01 12:59:59 UTC  17") && !shown.contains("--json"), "{shown}");
        figure.lines[0].points = vec![figure.lines[0].points[2].clone(); 61];
        let shown = plain(&one(&figure));
        assert_eq!(shown.matches("12:59:59").count(), 21, "{shown}");
        assert!(shown.contains("One of every 3 values"), "{shown}");
    }
}
