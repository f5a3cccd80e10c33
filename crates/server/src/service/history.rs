//! What the figures of the node were.

use antiphon_core::time::UnixMillis;

use super::Service;
use crate::convert;
use crate::dto::{FigureDto, FigureLineDto, FigurePointDto, FiguresAskDto, FiguresDto, Scalar};
use crate::error::Problem;
use crate::history::{COARSE_SPAN_MS, FINE_SPAN_MS, Line, Look, Metric, gap_ms};
use crate::metrics::resident_bytes;
use crate::time;

impl Service {
    /// Looks at the figures, and keeps them.
    pub(crate) async fn look(&self) -> Result<(), Problem> {
        let status = self.handle.status().await?;
        let outbox = self.handle.outbox_stats().await?;
        let copies = self.handle.replication_health().await?;
        let mut node = vec![
            (Metric::Facts, status.facts),
            (Metric::Events, status.events),
            (Metric::Recalls, self.counts.recalls()),
            (Metric::Writes, self.counts.writes()),
            (Metric::OutboxItems, outbox.pending()),
            (Metric::OutboxBytes, outbox.bytes()),
            (Metric::Healthy, copies.healthy),
            (Metric::Degraded, copies.degraded),
            (Metric::Critical, copies.critical),
        ];
        node.extend(resident_bytes().map(|bytes| (Metric::Memory, bytes)));
        node.extend(self.handle.database_bytes().map(|bytes| (Metric::Database, bytes)));
        let lag = status.peers.into_iter().filter_map(|peer| Some((peer.peer_id, peer.name, peer.lag_events?)));
        self.history.keep(self.now(), Look { node, lag: lag.collect() });
        Ok(())
    }

    /// The figures since a time.
    pub(crate) fn figures(&self, ask: &FiguresAskDto) -> Result<FiguresDto, Problem> {
        let now = self.now();
        let since = match &ask.since {
            None => UnixMillis(now.0.saturating_sub(FINE_SPAN_MS)),
            Some(since) => since_of(since, now)?,
        };
        let metrics = match ask.metric.as_deref() {
            None => Metric::ALL.to_vec(),
            Some(name) => vec![Metric::named(name).ok_or_else(|| unknown(name))?],
        };
        let metrics = metrics.into_iter().map(|metric| FigureDto {
            metric: metric.name().to_owned(),
            what: metric.what().to_owned(),
            unit: metric.kind().unit().to_owned(),
            lines: self.history.lines(metric, since).into_iter().map(|line| line_dto(line, now)).collect(),
        });
        Ok(FiguresDto { since: time::rfc3339(since), until: time::rfc3339(now), metrics: metrics.collect() })
    }
}

fn line_dto(line: Line, now: UnixMillis) -> FigureLineDto {
    let mut before: Option<UnixMillis> = None;
    let points = line.points.into_iter().map(|point| {
        let last = before.replace(point.at);
        let gap = last.is_some_and(|last| point.at.0.saturating_sub(last.0) > gap_ms(last, now));
        FigurePointDto { at: time::rfc3339(point.at), value: point.value, gap }
    });
    let points = points.collect();
    let (peer_id, name) = line.peer.map(|(peer, name)| (peer.to_string(), name)).unzip();
    FigureLineDto { peer_id, name, points }
}

/// A time, or how long ago; not before the oldest sample that may be kept.
fn since_of(since: &Scalar, now: UnixMillis) -> Result<UnixMillis, Problem> {
    let at = match time::parse(&since.0) {
        Some(at) => at,
        None => UnixMillis(now.0.saturating_sub(convert::duration_of("since", since)?)),
    };
    Ok(UnixMillis(at.0.clamp(now.0.saturating_sub(COARSE_SPAN_MS), now.0)))
}

fn unknown(name: &str) -> Problem {
    let known = Metric::ALL.iter().map(|metric| metric.name()).collect::<Vec<_>>().join(", ");
    Problem::bad_value("metric", name, format!("use one of {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        let now = UnixMillis(1_700_000_000_000);
        let check = |text: &str, want: Option<u64>| {
            assert_eq!(since_of(&text.into(), now).ok().map(|at| at.0), want, "{text}");
        };
        check("1h", Some(now.0 - FINE_SPAN_MS));
        check("2023-11-14T22:00:00Z", Some(1_699_999_200_000));
        check("1699999200000", Some(1_699_999_200_000));
        check("10y", Some(now.0 - COARSE_SPAN_MS));
        check("2999-01-01", Some(now.0));
        check("yesterday", None);
    }
}
