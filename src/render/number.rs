//! Figures with their units, as short as they can be without hiding what matters.

use crate::alerts::duration;
use crate::dashboard::{Value, ValueUnit};
use crate::metric::{Money, Number, Unit};

use super::Style;

pub use crate::metric::thousands as count;

/// Floats from here on are written with a power of ten: their last digits mean nothing.
const WHOLE_MAX: f64 = 1e15;

/// `0.45 ms`, `8.2 ms`, `640 ms`, `1.20 s`, `12.4 s`, `2m 05s`, `1h 02m`, `3d 04h`.
pub fn duration_ms(ms: f64) -> String {
    if ms.abs() >= WHOLE_MAX {
        return format!("{:.2e} s", ms / 1e3);
    }
    if ms < 0.0 {
        return format!("-{}", duration_ms(-ms));
    }
    // Each limit is where the next rounding would show one digit too many.
    if ms == 0.0 {
        "0 ms".to_owned()
    } else if ms < 0.995 {
        format!("{ms:.2} ms")
    } else if ms < 9.95 {
        format!("{ms:.1} ms")
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else if ms < 9_995.0 {
        format!("{:.2} s", ms / 1e3)
    } else if ms < 119_950.0 {
        format!("{:.1} s", ms / 1e3)
    } else {
        let seconds = whole(ms / 1e3);
        match seconds {
            s if s < 3600 => format!("{}m {:02}s", s / 60, s % 60),
            s if s < 86_400 => format!("{}h {:02}m", s / 3600, s % 3600 / 60),
            s => format!("{}d {:02}h", s / 86_400, s % 86_400 / 3600),
        }
    }
}

/// `0.8 %`, `100 %`, `0.02 %`.
pub fn percent(ratio: f64) -> String {
    // Plus zero: there is no -0 %.
    let p = ratio * 100.0 + 0.0;
    let size = p.abs();
    if size >= WHOLE_MAX {
        return format!("{p:.2e} %");
    }
    if size == 0.0 || size >= 99.95 {
        format!("{}{} %", if p < 0.0 { "-" } else { "" }, count(whole(size)))
    } else if size < 0.005 {
        if p < 0.0 { "-<0.01 %" } else { "<0.01 %" }.to_owned()
    } else if !(0.095..=99.9).contains(&size) {
        format!("{p:.2} %")
    } else {
        format!("{p:.1} %")
    }
}

/// `$45.23`, `$1,234.56`; below a cent two digits that count: `$0.0042`.
pub fn money(amount: Money) -> String {
    let nanos = amount.0.unsigned_abs();
    let sign = if amount.0 < 0 { "-" } else { "" };
    if nanos == 0 || nanos >= 9_995_000 {
        let cents = i128::try_from((nanos + 5_000_000) / 10_000_000).unwrap_or(i128::MAX);
        return format!("{sign}${}.{:02}", count(cents / 100), cents % 100);
    }
    format!("{sign}{}", dollars_small(amount.dollars().abs()))
}

fn dollars(amount: f64) -> String {
    if amount.abs() >= WHOLE_MAX {
        return format!("{}${:.2e}", if amount < 0.0 { "-" } else { "" }, amount.abs());
    }
    if amount == 0.0 || amount.abs() >= 0.009_995 {
        let cents = whole(amount.abs() * 100.0);
        let sign = if amount < 0.0 { "-" } else { "" };
        return format!("{sign}${}.{:02}", count(cents / 100), cents % 100);
    }
    format!("{}{}", if amount < 0.0 { "-" } else { "" }, dollars_small(amount.abs()))
}

fn dollars_small(amount: f64) -> String {
    let digits = small_digits(amount);
    format!("${amount:.digits$}")
}

/// Decimals that show two digits that count, at most nine.
fn small_digits(value: f64) -> usize {
    let mut scaled = value.abs() * 10.0;
    let mut digits = 2;
    while digits < 9 && scaled < 0.995 {
        scaled *= 10.0;
        digits += 1;
    }
    digits
}

/// A count that may be a fraction (a mean), and things a second.
fn quantity(value: f64) -> String {
    let size = value.abs();
    if size >= WHOLE_MAX {
        return format!("{value:.2e}");
    }
    if size >= 99.95 || (size.fract() == 0.0 && size >= 1.0) || size == 0.0 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", count(whole(size)))
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else if size >= 0.0095 {
        format!("{value:.2}")
    } else {
        let digits = small_digits(size);
        format!("{value:.digits$}")
    }
}

/// A float in a unit.
pub fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Time => duration_ms(value),
        Unit::Money => dollars(value),
        Unit::Ratio => percent(value),
        Unit::Change => format!("{}{}", if value > 0.0 { "+" } else { "" }, percent(value)),
        Unit::Count => quantity(value),
        Unit::PerSecond => format!("{}/s", quantity(value)),
    }
}

/// `168 × 1h`.
pub(super) fn buckets(n: u64, width: &str, style: &Style) -> String {
    format!("{} {} {width}", count(n.into()), style.sign("×", "x"))
}

/// A metric's number in its unit; `–` for no data.
pub fn number(value: Option<Number>, unit: Unit, style: &Style) -> String {
    match value {
        None => style.none().to_owned(),
        Some(Number::Money(amount)) => money(amount),
        Some(Number::Whole(n)) if unit == Unit::Count => count(n),
        Some(other) => figure(other.to_f64(), unit),
    }
}

/// A float in the unit of an answer.
pub(super) fn in_unit(value: f64, unit: &ValueUnit) -> String {
    match unit {
        ValueUnit::Of(unit) => figure(value, *unit),
        ValueUnit::Derived(name) if name.is_empty() => quantity(value),
        ValueUnit::Derived(name) => match name.strip_prefix("usd/") {
            Some(each) => format!("{}/{each}", dollars(value)),
            None => format!("{} {name}", quantity(value)),
        },
        ValueUnit::Bool => quantity(value),
    }
}

/// A value of an answer; `–` for no data.
pub fn value(value: Option<Value>, unit: &ValueUnit, style: &Style) -> String {
    match (value, unit) {
        (None, ValueUnit::Bool) => "unknown".to_owned(),
        (None, _) => style.none().to_owned(),
        (Some(Value::Bool(b)), _) => if b { "true" } else { "false" }.to_owned(),
        (Some(Value::Number(n)), ValueUnit::Of(unit)) => number(Some(n), *unit, style),
        (Some(Value::Number(n)), unit) => in_unit(n.to_f64(), unit),
    }
}

/// A number that somebody wrote: all of its digits, and none that it had not: `2 s`, `$1.5`, `10 %`.
pub(super) fn written(value: Number, unit: &ValueUnit) -> String {
    let plain = |value: f64, digits: usize| {
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    let v = value.to_f64();
    let size = v.abs();
    match unit {
        _ if size >= WHOLE_MAX => in_unit(v, unit),
        ValueUnit::Of(Unit::Time) if size >= 120_000.0 && v.fract() == 0.0 => duration(milliseconds(v)),
        ValueUnit::Of(Unit::Time) if size >= 1000.0 => format!("{} s", plain(v / 1e3, 9)),
        ValueUnit::Of(Unit::Time) => format!("{} ms", plain(v, 6)),
        ValueUnit::Of(Unit::Money) => format!("{}${}", if v < 0.0 { "-" } else { "" }, plain(size, 9)),
        // A tenth of a per cent has no exact float: 12 digits hide that.
        ValueUnit::Of(Unit::Ratio | Unit::Change) => format!("{} %", plain(v * 100.0, 10)),
        ValueUnit::Of(Unit::Count) if v.fract() == 0.0 => in_unit(v, unit),
        ValueUnit::Of(Unit::Count) => plain(v, 9),
        ValueUnit::Of(Unit::PerSecond) => format!("{}/s", plain(v, 9)),
        ValueUnit::Derived(name) if name.is_empty() => plain(v, 9),
        ValueUnit::Derived(name) => format!("{} {name}", plain(v, 9)),
        ValueUnit::Bool => plain(v, 9),
    }
}

/// Whole milliseconds without their sign.
fn milliseconds(ms: f64) -> u64 {
    u64::try_from(whole(ms.abs())).unwrap_or(u64::MAX)
}

/// The nearest whole number of a float that is not negative.
#[expect(clippy::cast_possible_truncation, reason = "saturates, which is fine for a screen")]
fn whole(value: f64) -> i128 {
    value.round() as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_keeps_its_digits_and_gets_no_more() {
        let unit = |name: &str| ValueUnit::named(name);
        for (value, name, text) in [
            (2000.0, "ms", "2 s"),
            (2500.0, "ms", "2.5 s"),
            (1234.0, "ms", "1.234 s"),
            (850.0, "ms", "850 ms"),
            (0.25, "ms", "0.25 ms"),
            (300_000.0, "ms", "5m"),
            (0.1, "ratio", "10 %"),
            (0.0005, "ratio", "0.05 %"),
            (1.5, "usd", "$1.5"),
            (500.0, "usd", "$500"),
            (1000.0, "count", "1,000"),
            (0.5, "1/s", "0.5/s"),
            (3.0, "number", "3"),
        ] {
            assert_eq!(written(Number::Float(value), &unit(name)), text);
        }
    }

    #[test]
    fn figures_are_short_and_whole() {
        for (ms, text) in [
            (0.0, "0 ms"),
            (0.45, "0.45 ms"),
            (0.999, "1.0 ms"),
            (8.24, "8.2 ms"),
            (9.97, "10 ms"),
            (640.2, "640 ms"),
            (999.6, "1.00 s"),
            (1204.2, "1.20 s"),
            (9_996.0, "10.0 s"),
            (72_400.0, "72.4 s"),
            (125_000.0, "2m 05s"),
            (3_725_000.0, "1h 02m"),
            (604_800_000.0, "7d 00h"),
        ] {
            assert_eq!(duration_ms(ms), text);
        }
        for (ratio, text) in [
            (0.0, "0 %"),
            (0.008, "0.8 %"),
            (0.0002, "0.02 %"),
            (0.000_001, "<0.01 %"),
            (0.9996, "100 %"),
            (0.9992, "99.92 %"),
            (1.0, "100 %"),
            (0.5, "50.0 %"),
            (142.7456, "14,275 %"),
            (-12.0, "-1,200 %"),
        ] {
            assert_eq!(percent(ratio), text);
        }
        for (nanos, text) in [
            (0, "$0.00"),
            (45_230_000_000, "$45.23"),
            (1_234_565_000_000, "$1,234.57"),
            (9_996_000, "$0.01"),
            (4_200_000, "$0.0042"),
            (999, "$0.0000010"),
            (1, "$0.000000001"),
        ] {
            assert_eq!(money(Money(nanos)), text);
        }
        for (value, text) in [
            (0.0, "0"),
            (14_760.0, "14,760"),
            (812.4, "812"),
            (12.34, "12.3"),
            (0.5, "0.50"),
            (3.0, "3"),
            (0.0078, "0.0078"),
        ] {
            assert_eq!(quantity(value), text);
        }
        assert_eq!(figure(4.1, Unit::PerSecond), "4.10/s");
        assert_eq!(in_unit(0.000_69, &ValueUnit::named("usd/s")), "$0.00069/s");
        assert_eq!(in_unit(2.5, &ValueUnit::named("1/s2")), "2.50 1/s2");
    }
}
