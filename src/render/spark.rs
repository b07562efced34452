//! Sparklines and bars: small drawings inside a line.

use super::Style;

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const LEVELS_ASCII: [char; 8] = ['_', '.', '-', ':', '=', '+', '*', '#'];
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Values as levels between 0 and the greatest, in at most `columns`; where values must share a
/// column the greatest shows. A gap is a space.
pub fn sparkline(values: &[Option<f64>], columns: usize, style: &Style) -> String {
    if columns == 0 || values.is_empty() {
        return String::new();
    }
    let levels = if style.unicode { LEVELS } else { LEVELS_ASCII };
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let columns = columns.min(values.len());
    let cell = |i: usize| {
        let part = &values[i * values.len() / columns..((i + 1) * values.len() / columns).max(1)];
        part.iter().flatten().copied().reduce(f64::max).map_or(' ', |v| levels[level(v, most)])
    };
    (0..columns).map(cell).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 7")]
fn level(value: f64, most: f64) -> usize {
    if most > 0.0 { (value / most * 8.0).ceil().clamp(1.0, 8.0) as usize - 1 } else { 0 }
}

/// A bar of at most `columns` for `value` of `most`; what is not nothing shows at least a little.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bar's length"
)]
pub fn bar(value: f64, most: f64, columns: usize, style: &Style) -> String {
    if !(value > 0.0 && most > 0.0) {
        return String::new();
    }
    let share = (value / most).min(1.0) * columns as f64;
    if !style.unicode {
        return "#".repeat((share.round() as usize).max(1));
    }
    let eighths = ((share * 8.0).round() as usize).max(1);
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { width: 80, color: false, unicode: true, demo: false };

    #[test]
    fn small_drawings_keep_proportions() {
        let values = [Some(1.0), Some(4.0), None, Some(8.0), Some(0.0)];
        assert_eq!(sparkline(&values, 10, &STYLE), "▁▄ █▁");
        assert_eq!(sparkline(&values, 2, &STYLE), "▄█");
        assert_eq!(sparkline(&[], 5, &STYLE), "");
        assert_eq!(bar(5.0, 10.0, 9, &STYLE), "████▌");
        assert_eq!(bar(0.001, 10.0, 9, &STYLE), "▏");
        assert_eq!(bar(0.0, 10.0, 9, &STYLE), "");
        assert_eq!(bar(5.0, 10.0, 9, &Style { unicode: false, ..STYLE }), "#####");
    }
}
