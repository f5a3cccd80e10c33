//! Figures over time, as plots that the server draws.

use antiphon_core::time::UnixMillis;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Deserialize;

use crate::dashboard::Dash;
use crate::dashboard::page::{Page, Query, Shown, Tab};
use crate::dashboard::plot::Plot;
use crate::dto::FiguresAskDto;
use crate::time;

/// Spans that can be chosen, and what they are called; the first is shown when none is.
const SPANS: [(&str, &str); 4] = [("1h", "1 hour"), ("6h", "6 hours"), ("24h", "1 day"), ("7d", "1 week")];

/// Shortest span of a plot, in milliseconds: five minutes.
const SPAN_MS_MIN: u64 = 5 * 60 * 1_000;

/// The page with the plots. `/metrics` is where programs read.
pub(super) fn routes() -> Router<Dash> {
    Router::new().route("/plots", get(show))
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Ask {
    since: String,
}

/// A link to another span.
struct Span {
    name: &'static str,
    href: String,
    here: bool,
}

#[derive(Template)]
#[template(path = "metrics.html")]
struct View {
    words: String,
    spans: Vec<Span>,
    plots: Vec<Plot>,
    /// Figures of which nothing is known.
    unknown: Vec<String>,
}

async fn show(State(dash): State<Dash>, Query(ask): Query<Ask>) -> Shown {
    let (since, called) = SPANS.into_iter().find(|(since, _)| *since == ask.since).unwrap_or(SPANS[0]);
    let figures = dash.figures(&FiguresAskDto { metric: None, since: Some(since.into()) })?;
    let read = |at: &str| time::parse(at).unwrap_or(UnixMillis(0));
    let (from, until) = (read(&figures.since), read(&figures.until));
    // A node that was just started has nothing to show of the rest.
    let points = figures.metrics.iter().flat_map(|figure| &figure.lines).filter_map(|line| line.points.first());
    let first = points.map(|point| read(&point.at)).min().unwrap_or(from);
    let from = UnixMillis(first.0.min(until.0.saturating_sub(SPAN_MS_MIN))).max(from);
    let (mut plots, mut unknown) = (Vec::new(), Vec::new());
    for figure in &figures.metrics {
        match Plot::of(figure, from, until) {
            Some(plot) => plots.push(plot),
            None => unknown.push(figure.what.clone()),
        }
    }
    let span = |(name, words): (&str, &'static str)| Span {
        name: words,
        href: format!("/plots?since={name}"),
        here: name == since,
    };
    let view = View {
        words: "Looked at every 10 seconds and kept for an hour, every 5 minutes for a week, in memory since the node \
                started. Where a line breaks, nobody looked."
            .to_owned(),
        spans: SPANS.into_iter().map(span).collect(),
        plots,
        unknown,
    };
    let heading = format!("The last {}", called.trim_start_matches("1 "));
    Ok(Page::new(Tab::Metrics, "Metrics", &view)?.heading(heading).says("a few figures of this node over time"))
}
