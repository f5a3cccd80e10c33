//! The vertical axis of a plot: from where to where, in which steps, and in what unit.

/// Steps that an axis has about.
const STEPS: f64 = 5.0;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    step: f64,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Count,
    PerMinute,
    /// So many bytes are one, by this name.
    Bytes(f64, &'static str),
}

impl Scale {
    /// An axis for values between two. It begins at zero, unless everything happens in the upper half.
    pub(super) fn of(low: f64, high: f64, unit: &str) -> Self {
        let unit = Unit::named(unit, high);
        let (low, high) = (low / unit.of_one(), high / unit.of_one());
        let base = if low > high / 2.0 && high > low { low } else { 0.0 };
        let least = if unit == Unit::Count { 1.0 } else { 0.1 };
        let step = round_step((high - base) / STEPS).max(least);
        let bottom = (base / step).floor() * step;
        let top = ((high / step).ceil() * step).max(bottom + step);
        Self { low: bottom, high: top, step, unit }
    }

    /// Where a value is between the bottom (0) and the top (1).
    pub(super) fn part(&self, value: f64) -> f64 {
        ((value / self.unit.of_one() - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The values with a mark, the lowest first.
    pub(super) fn steps(&self) -> impl Iterator<Item = f64> + '_ {
        let all = std::iter::successors(Some(self.low), move |at| Some(at + self.step));
        all.take_while(move |at| *at <= self.high + self.step / 2.0).map(|at| at * self.unit.of_one())
    }

    /// What a mark says. The unit stands beside the axis.
    pub(super) fn label(&self, value: f64) -> String {
        let value = value / self.unit.of_one();
        let digits = usize::from(self.step.fract() > 1e-9);
        grouped(value, digits)
    }

    /// A value with its unit.
    pub(super) fn value(&self, value: f64) -> String {
        let number = value / self.unit.of_one();
        match self.unit {
            Unit::Count => grouped(number, 0),
            Unit::PerMinute => format!("{} per minute", grouped(number, usize::from(number.fract().abs() > 0.05))),
            Unit::Bytes(one, name) => {
                let digits = usize::from(one > 1.0 && number.fract().abs() > 0.05);
                format!("{} {name}", grouped(number, digits))
            }
        }
    }

    /// What stands beside the axis.
    pub(super) fn unit(&self) -> &'static str {
        match self.unit {
            Unit::Count => "number",
            Unit::PerMinute => "per minute",
            Unit::Bytes(_, name) => name,
        }
    }
}

impl Unit {
    fn named(name: &str, high: f64) -> Self {
        const STEP: f64 = 1_024.0;
        match name {
            "bytes" if high < STEP => Self::Bytes(1.0, "B"),
            "bytes" if high < STEP * STEP => Self::Bytes(STEP, "KiB"),
            "bytes" if high < STEP * STEP * STEP => Self::Bytes(STEP * STEP, "MiB"),
            "bytes" => Self::Bytes(STEP * STEP * STEP, "GiB"),
            "per_minute" => Self::PerMinute,
            _ => Self::Count,
        }
    }

    const fn of_one(self) -> f64 {
        match self {
            Self::Bytes(one, _) => one,
            Self::Count | Self::PerMinute => 1.0,
        }
    }
}

/// The next of 1, 2, 5, 10, 20, … that is not smaller.
fn round_step(step: f64) -> f64 {
    if !(step.is_finite() && step > 0.0) {
        return 0.0;
    }
    let ten = 10_f64.powf(step.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * ten >= step * (1.0 - 1e-9));
    times.unwrap_or(10.0) * ten
}

/// A number with a comma after every three digits.
fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut grouped = String::from(sign);
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if !rest.is_empty() {
        grouped.push('.');
        grouped.push_str(rest);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let check = |low: f64, high: f64, unit: &str, want: &[&str]| {
            let scale = Scale::of(low, high, unit);
            assert_eq!(scale.steps().map(|step| scale.label(step)).collect::<Vec<_>>(), want, "{low} {high} {unit}");
            assert!(scale.part(low) >= 0.0 && scale.part(high) <= 1.0);
        };
        check(0.0, 0.0, "count", &["0", "1"]);
        check(0.0, 3.0, "count", &["0", "1", "2", "3"]);
        check(12_400.0, 12_408.0, "count", &["12,400", "12,402", "12,404", "12,406", "12,408"]);
        check(7.0, 7.0, "count", &["0", "2", "4", "6", "8"]);
        check(0.0, 0.4, "per_minute", &["0.0", "0.1", "0.2", "0.3", "0.4"]);
        check(0.0, 5_000_000.0, "bytes", &["0", "1", "2", "3", "4", "5"]);
    }

    #[test]
    fn values_carry_their_unit() {
        let check = |value: f64, high: f64, unit: &str, want: &str| {
            assert_eq!(Scale::of(0.0, high, unit).value(value), want);
        };
        check(1_234_567.0, 1_234_567.0, "count", "1,234,567");
        check(512.0, 512.0, "bytes", "512 B");
        check(1.5 * 1_048_576.0, 2_000_000.0, "bytes", "1.5 MiB");
        check(6.0, 6.0, "per_minute", "6 per minute");
        check(0.5, 6.0, "per_minute", "0.5 per minute");
    }
}
