//! Statistics that a few wild values cannot move.

/// The middle value, or the mean of the two in the middle; `None` of nothing. Reorders `values`.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let length = values.len();
    if length == 0 {
        return None;
    }
    let (below, middle, _) = values.select_nth_unstable_by(length / 2, f64::total_cmp);
    let middle = *middle;
    if length % 2 == 1 {
        return Some(middle);
    }
    below.iter().copied().max_by(f64::total_cmp).map(|low| low / 2.0 + middle / 2.0)
}

/// The value that `share` of all lie at or below, by nearest rank; `None` of nothing.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    // Truncation does the rounding: positions are small and not negative.
    let rank = ((last as f64 * share.clamp(0.0, 1.0)).round() as usize).min(last);
    Some(*values.select_nth_unstable_by(rank, f64::total_cmp).1)
}

/// Standard deviations in a median absolute deviation of normal noise.
pub(crate) const SD_IN_MAD: f64 = 1.4826;
