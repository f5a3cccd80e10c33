//! Metrics with their samples, and how they are written.

use std::fmt;

use antiphon_core::time::UnixMillis;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Labels of a sample: what they are called, and what they say.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The value of a sample.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A whole number.
    Whole(u64),
    /// Any number.
    Real(f64),
    /// How values are distributed.
    Spread(Histogram),
}

/// How values are distributed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    /// Upper bounds in ascending order, the last one infinite, and how many lie at most there and above the one before.
    pub(super) buckets: Vec<(f64, u64)>,
    /// How many there are.
    pub(super) count: u64,
    /// Their sum.
    pub(super) sum: f64,
}

impl From<Histogram> for Value {
    fn from(value: Histogram) -> Self {
        Self::Spread(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

/// A time as seconds since 1970.
pub(super) fn seconds(at: UnixMillis) -> f64 {
    millis(at.0)
}

/// A span as seconds.
#[expect(clippy::cast_precision_loss, reason = "a float holds milliseconds of 285,000 years without loss")]
pub(super) fn millis(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// A span as seconds.
#[expect(clippy::cast_precision_loss, reason = "a float holds microseconds of 285 years without loss")]
pub(super) fn micros(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}

/// A metric with its samples.
#[derive(Debug)]
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    samples: Vec<(Labels, Value)>,
}

impl Family {
    fn new(kind: MetricType, name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: None, kind, samples: Vec::new() }
    }

    /// Something that goes up and down.
    pub(super) fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(MetricType::Gauge, name, help)
    }

    /// Something that only grows while the node runs. `_total` is put behind its name.
    pub(super) fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(MetricType::Counter, name, help)
    }

    /// Something that is said by the labels alone. `_info` is put behind its name.
    pub(super) fn info(name: &'static str, help: &'static str) -> Self {
        Self::new(MetricType::Info, name, help)
    }

    /// How values that were seen while the node runs are distributed.
    pub(super) fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(MetricType::Histogram, name, help)
    }

    /// The same, in bytes: the unit is put behind its name.
    pub(super) fn bytes(mut self) -> Self {
        self.unit = Some(Unit::Bytes);
        self
    }

    /// The same, in seconds: the unit is put behind its name.
    pub(super) fn seconds(mut self) -> Self {
        self.unit = Some(Unit::Seconds);
        self
    }

    /// The same with its only sample.
    pub(super) fn of(mut self, value: impl Into<Value>) -> Self {
        self.samples.push((Labels::new(), value.into()));
        self
    }

    /// The same with its only sample, if there is one.
    pub(super) fn maybe(self, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.of(value),
            None => self,
        }
    }

    /// The same with one more sample.
    pub(super) fn with(mut self, labels: Labels, value: impl Into<Value>) -> Self {
        self.samples.push((labels, value.into()));
        self
    }

    /// The same with one more sample for each of `samples`.
    pub(super) fn each<V: Into<Value>>(mut self, samples: impl IntoIterator<Item = (Labels, V)>) -> Self {
        self.samples.extend(samples.into_iter().map(|(labels, value)| (labels, value.into())));
        self
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), self.kind)?;
        for (labels, value) in &self.samples {
            match self.kind {
                MetricType::Info => metric.encode_info(labels)?,
                _ if labels.is_empty() => encode_value(&mut metric, self.kind, value)?,
                _ => encode_value(&mut metric.encode_family(labels)?, self.kind, value)?,
            }
        }
        Ok(())
    }
}

fn encode_value(metric: &mut MetricEncoder<'_>, kind: MetricType, value: &Value) -> fmt::Result {
    match (kind, value) {
        (MetricType::Counter, Value::Whole(value)) => metric.encode_counter::<NoLabelSet, _, u64>(value, None),
        (MetricType::Counter, Value::Real(value)) => metric.encode_counter::<NoLabelSet, _, u64>(value, None),
        (_, Value::Whole(value)) => metric.encode_gauge(value),
        (_, Value::Real(value)) => metric.encode_gauge(value),
        (_, Value::Spread(Histogram { buckets, count, sum })) => {
            metric.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
        }
    }
}

/// What one scrape found. A family without a sample is left out: nothing is known of it.
#[derive(Debug, Default)]
pub(super) struct Families(pub(super) Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().filter(|family| !family.samples.is_empty()).try_for_each(|family| family.encode(&mut encoder))
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn families_are_written_with_unit_help_and_escaped_labels() {
        let eve = vec![("peer", "eve \"\\\n".to_owned())];
        let families = vec![
            Family::gauge("facts", "Facts.").of(3_u64),
            Family::counter("sent", "Bytes sent.").bytes().of(5_u64),
            Family::gauge("seen", "When.").seconds().with(eve, 1.5),
            Family::gauge("nothing", "Not known.").maybe(None::<u64>),
            Family::histogram("took", "Time.").seconds().of(Histogram {
                buckets: vec![(0.5, 2), (f64::INFINITY, 1)],
                count: 3,
                sum: 7.5,
            }),
        ];
        let mut registry = Registry::with_prefix("x");
        registry.register_collector(Box::new(Families(families)));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let want = "# HELP x_facts Facts.\n# TYPE x_facts gauge\nx_facts 3\n\
                    # HELP x_sent_bytes Bytes sent.\n# TYPE x_sent_bytes counter\n# UNIT x_sent_bytes bytes\n\
                    x_sent_bytes_total 5\n\
                    # HELP x_seen_seconds When.\n# TYPE x_seen_seconds gauge\n# UNIT x_seen_seconds seconds\n\
                    x_seen_seconds{peer=\"eve \\\"\\\\\\n\"} 1.5\n\
                    # HELP x_took_seconds Time.\n# TYPE x_took_seconds histogram\n# UNIT x_took_seconds seconds\n\
                    x_took_seconds_sum 7.5\nx_took_seconds_count 3\nx_took_seconds_bucket{le=\"0.5\"} 2\n\
                    x_took_seconds_bucket{le=\"+Inf\"} 3\n# EOF\n";
        assert_eq!(text, want);
    }
}
